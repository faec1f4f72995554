// The stream of frames from the server, and an honest account of it.
const deadAfter = 30000; // milliseconds; the server says something every ten seconds
const againAfter = 1000; // before a stream that failed for good is opened anew, at first
const againAtMost = 15000;
const hiddenFor = 20000; // a page that nobody sees gives its connection back after that

// A Stream follows the tree from a rev on. State is "opening", "live", "lost", "asleep" or "refused". Cut is since when the node is
// cut off from the majority, if it is.
export class Stream {
  constructor({cluster, rev, onFrame, onHello, onState}) {
    Object.assign(this, {cluster, rev, onFrame, onHello, onState});
    this.state = "opening";
    this.since = new Date();
    this.again = againAfter;
    this.oldest = 1;
    this.cut = null;
    document.addEventListener("visibilitychange", () => this.seen());
    addEventListener("online", () => this.wake());
    addEventListener("pagehide", () => this.source && this.source.close());
    addEventListener("pageshow", (e) => e.persisted && this.wake());
    this.open();
  }

  become(state) {
    if (this.state === state) return;
    const wasLive = this.state === "live";
    this.state = state;
    if (wasLive || state === "live") this.since = new Date();
    this.onState();
  }

  open() {
    this.close();
    // The rev is where a new stream begins; when the browser connects again by itself, it says where it was.
    const source = new EventSource("/_/stream?" + new URLSearchParams({cluster: this.cluster, rev: this.rev}));
    this.source = source;
    const on = (type, take) => source.addEventListener(type, (message) => {
      if (this.source !== source) return;
      this.heard();
      take(JSON.parse(message.data));
    });
    on("hello", (hello) => this.greet(hello));
    on("frame", (frame) => {
      if (frame.to <= this.rev) return;
      this.onFrame(frame);
      this.rev = frame.to;
      this.become("live");
    });
    on("beat", (beat) => {
      this.oldest = beat.oldest;
      this.setCut(beat.cut);
      if (beat.rev !== this.rev) this.restart(); // something was missed, which must not stay so
      else this.onState();
    });
    source.addEventListener("error", () => this.source === source && this.failed());
    this.heard();
  }

  setCut(seconds) { this.cut = seconds === undefined ? null : this.cut ?? new Date(Date.now() - 1000 * seconds); }

  greet(hello) {
    this.setCut(hello.cut);
    this.again = againAfter;
    this.oldest = hello.oldest;
    const other = hello.cluster !== this.cluster;
    if (other || hello.rev < this.rev) this.rev = hello.rev;
    this.cluster = hello.cluster;
    this.onHello(hello, other);
    if (hello.rev <= this.rev) this.become("live"); // else the frames that lead there come first
  }

  heard() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.restart(), deadAfter);
  }

  close() {
    clearTimeout(this.watchdog);
    clearTimeout(this.timer);
    if (this.source) this.source.close();
    this.source = null;
  }

  // failed is called when the connection broke, and each time that another one could not be made.
  async failed() {
    this.become("lost");
    if (this.source.readyState !== EventSource.CLOSED) return; // the browser tries again
    this.close();
    this.timer = setTimeout(() => this.open(), this.again);
    this.again = Math.min(2 * this.again, againAtMost);
    try {
      const answer = await fetch("/_/event?rev=1");
      if (answer.status === 401) this.become("refused");
    } catch {
      // it is as lost as it was
    }
  }

  restart() {
    this.become("lost");
    this.open();
  }

  wake() {
    if (this.state !== "live" || !this.source) this.open();
  }

  // seen lets go of the connection, of which a browser has few, while nobody looks.
  seen() {
    clearTimeout(this.sleep);
    if (!document.hidden) {
      if (!this.source && this.state === "asleep") this.open();
      return;
    }
    this.sleep = setTimeout(() => {
      this.become("asleep");
      this.close();
    }, hiddenFor);
  }
}
