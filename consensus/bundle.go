package consensus

// bundle gathers equal statements about neighbouring instances of one owner into one message each, so
// that a Prepare for a hundred instances is answered with one Promise. A message never names an instance
// that was not added: one left out, or an era's end, begins a new one, and so does one that would get too large. The slots
// must be added in ascending order. What is too much for one answer is left out: whoever asked will ask for it again.
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
func (r *bundle) add(s *slot, m Message) {
	if !r.joins(s, &m) {
		r.flush()
		m.Owner, m.Range = s.owner(), one(s.instance)
		r.message, r.era, r.size = m, s.era, m.size()
		return
	}
	r.size += m.size()
	r.message.Range.Hi = s.instance + 1
	r.message.Votes = append(r.message.Votes, m.Votes...)
}

func (r *bundle) joins(s *slot, m *Message) bool {
	g := &r.message
	return g.Kind == m.Kind && g.Ballot == m.Ballot && r.era == s.era && g.Owner == s.owner() &&
		g.Batch.Noop() && m.Batch.Noop() && s.instance == g.Range.Hi-1+uint64(len(s.era.voters)) &&
		r.size+m.size() <= MaxMessageSize
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
func (r *bundle) flush() {
	m := r.message
	r.message = Message{}
	if m.Kind == 0 || r.sent == MaxReplies || r.sent > 0 && r.carried+r.size > MaxReplySize {
		return
	}
	r.sent++
	r.carried += r.size
	if r.to == "" {
		r.engine.broadcast(r.era, m)
		return
	}
	m.To = r.to
	r.engine.send(m)
}
