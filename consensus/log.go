package consensus

// log is the newest decisions that were applied, for those who have to catch up.
type log struct {
	first    uint64  // the oldest instance kept
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
	*l.at(i) = batch
	l.count++
	l.bytes += batch.bytes()
	for l.bytes > l.maxBytes && l.count > 1 {
		l.dropFirst()
	}
}

func (l *log) dropFirst() {
	b := l.at(l.first)
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
	batches := make([]Batch, l.fitting(i, limit))
	for k := range batches {
		batches[k] = *l.at(i + uint64(k))
	}
	return batches, true
}

// fitting returns how many batches from instance i on one message carries, at most limit: one at least, however
// large it is.
func (l *log) fitting(i uint64, limit int) int {
	limit = min(limit, int(l.first+uint64(l.count)-i))
	for n, size := 0, 0; n < limit; n++ {
		if size += l.at(i + uint64(n)).size(); size > MaxMessageSize && n > 0 {
			return n
		}
	}
	return limit
}

func (l *log) at(i uint64) *Batch { return &l.batches[i%uint64(len(l.batches))] }

// partSize is what a batch or a mutation takes of a message's room besides its bytes. A message of many small
// ones costs a receiver more than it is long.
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
