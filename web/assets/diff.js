// The lines that differ between two texts.
const limit = 4e6; // cells of the table; texts that need more are shown side by side

// diff returns lines as {kind, text}, where kind is " ", "-" or "+"; null if the texts are too long to compare.
export function diff(before, after) {
  const a = before.split("\n"), b = after.split("\n");
  let start = 0, endA = a.length, endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) start++;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    endA--;
    endB--;
  }
  const middle = between(a.slice(start, endA), b.slice(start, endB));
  if (!middle) return null;
  const same = (text) => ({kind: " ", text});
  return [...a.slice(0, start).map(same), ...middle, ...a.slice(endA).map(same)];
}

// between compares by the longest common subsequence.
function between(a, b) {
  if ((a.length + 1) * (b.length + 1) > limit) return null;
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * width + j] = a[i] === b[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  const lines = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({kind: " ", text: a[i++]});
      j++;
    } else if (i < a.length && (j >= b.length || table[(i + 1) * width + j] >= table[i * width + j + 1])) {
      lines.push({kind: "-", text: a[i++]});
    } else {
      lines.push({kind: "+", text: b[j++]});
    }
  }
  return lines;
}

const context = 3; // lines kept around those that differ
const worth = 4; // fewer equal lines than that are not folded

// folded replaces long stretches of equal lines by {kind: "…", text}.
export function folded(lines) {
  const near = new Array(lines.length).fill(false);
  lines.forEach((line, i) => {
    if (line.kind === " ") return;
    for (let k = Math.max(0, i - context); k <= Math.min(lines.length - 1, i + context); k++) near[k] = true;
  });
  const out = [];
  for (let i = 0; i < lines.length; i++) {
    if (near[i]) {
      out.push(lines[i]);
      continue;
    }
    let n = 0;
    while (i + n < lines.length && !near[i + n]) n++;
    if (n < worth) {
      out.push(...lines.slice(i, i + n));
      i += n - 1;
      continue;
    }
    out.push({kind: "…", text: n + " equal lines"});
    i += n - 1;
  }
  return out;
}
