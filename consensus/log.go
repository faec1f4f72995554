package consensus

// log is the newest decisions that were applied, for those who have to catch up.
type log struct {
	first    uint64  // instance of batches[head]
	batches  []Batch // instance i is batches[i%len]
	count    int
	bytes    int
	maxBytes int
}

func newLog(retain, maxBytes int) log {
	return log{batches: make([]Batch, retain), maxBytes: maxBytes}
}

// restart empties the log; the next to come is the one after instance.
func (l *log) restart(instance uint64) {
	clear(l.batches)
	l.first, l.count, l.bytes = instance+1, 0, 0
}

func (l *log) append(i uint64, batch Batch) {
	must(i == l.first+uint64(l.count), "gap in the log")
	if l.count == len(l.batches) {
		l.dropFirst()
	}
	l.batches[i%uint64(len(l.batches))] = batch
	l.count++
	l.bytes += batch.bytes()
	for l.bytes > l.maxBytes && l.count > 1 {
		l.dropFirst()
	}
}

func (l *log) dropFirst() {
	b := &l.batches[l.first%uint64(len(l.batches))]
	l.bytes -= b.bytes()
	*b = Batch{}
	l.first++
	l.count--
}

// from returns the batches of instance i and those after it, as many as one message carries and at most limit;
// false if i is not here.
func (l *log) from(i uint64, limit int) ([]Batch, bool) {
	if i < l.first || i >= l.first+uint64(l.count) {
		return nil, false
	}
	var batches []Batch
	for size := 0; i < l.first+uint64(l.count) && len(batches) < limit; i++ {
		b := l.batches[i%uint64(len(l.batches))]
		size += b.size()
		if size > MaxMessageSize && len(batches) > 0 {
			break
		}
		batches = append(batches, b)
	}
	return batches, true
}

// partSize is what a batch or a mutation takes of a message's room besides its bytes. A message of many small ones costs a
// receiver more than it is long.
const partSize = 32

// size is what b takes of a message's room.
func (b *Batch) size() int { return b.bytes() + partSize*(1+len(b.Mutations)) }

func (b *Batch) bytes() int {
	n := 0
	for _, m := range b.Mutations {
		n += len(m)
	}
	return n
}
