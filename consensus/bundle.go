package consensus

// bundle gathers equal statements about neighbouring instances of one owner into one message each, so that a
// Prepare for a hundred instances is answered with one Promise. A message never names an instance that was not
// added: one left out, or an era's end, begins a new one, and so does one that would get too large. The slots
// must be added in ascending order. What is too much for one answer is left out: whoever asked will ask for it
// again.
type bundle struct {
	engine  *Engine
	to      string // "" is all voters of the era
	era     *era
	sent    int     // messages
	carried int     // size of what these carry
	message Message // being gathered; Kind 0 is none
	size    int     // of what it carries
}

// add states m about s.
func (b *bundle) add(s *slot, m Message) {
	if !b.joins(s, &m) {
		b.flush()
		m.Owner, m.Range = s.owner(), one(s.instance)
		b.message, b.era, b.size = m, s.era, m.size()
		return
	}
	b.size += m.size()
	b.message.Range.Hi = s.instance + 1
	b.message.Votes = append(b.message.Votes, m.Votes...)
}

func (b *bundle) joins(s *slot, m *Message) bool {
	g := &b.message
	return g.Kind == m.Kind && g.Ballot == m.Ballot && b.era == s.era && g.Owner == s.owner() &&
		g.Batch.Noop() && m.Batch.Noop() && s.instance == g.Range.Hi-1+uint64(len(s.era.voters)) &&
		b.size+m.size() <= MaxMessageSize
}

// size is what the batch and the votes of m take of its room.
func (m *Message) size() int {
	n := m.Batch.size()
	for k := range m.Votes {
		n += m.Votes[k].Batch.size()
	}
	return n
}

// flush sends what was gathered.
func (b *bundle) flush() {
	m := b.message
	b.message = Message{}
	if m.Kind == 0 || b.sent == MaxReplies || b.sent > 0 && b.carried+b.size > MaxReplySize {
		return
	}
	b.sent++
	b.carried += b.size
	if b.to == "" {
		b.engine.broadcast(b.era, m)
		return
	}
	m.To = b.to
	b.engine.send(m)
}
