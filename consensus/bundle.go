package consensus

// bundle gathers equal statements about neighbouring instances of one owner into one message each, so
// that a Prepare for a hundred instances is answered with one Promise. A message never names an instance
// that was not added: one left out, or an era's end, begins a new one. The slots must be added in
// ascending order.
type bundle struct {
	engine  *Engine
	to      string // "" is all voters of the era
	era     *era
	sent    int
	message Message // being gathered; Kind 0 is none
}

// add states m about s.
func (r *bundle) add(s *slot, m Message) {
	if !r.joins(s, &m) {
		r.flush()
		m.Owner, m.Range = s.owner(), one(s.instance)
		r.message, r.era = m, s.era
		return
	}
	r.message.Range.Hi = s.instance + 1
}

func (r *bundle) joins(s *slot, m *Message) bool {
	g := &r.message
	return g.Kind == m.Kind && g.Ballot == m.Ballot && r.era == s.era && g.Owner == s.owner() &&
		g.Batch.Noop() && m.Batch.Noop() && s.instance == g.Range.Hi-1+uint64(len(s.era.voters))
}

// flush sends what was gathered.
func (r *bundle) flush() {
	m := r.message
	r.message = Message{}
	if m.Kind == 0 || r.sent >= MaxReplies {
		return
	}
	r.sent++
	if r.to == "" {
		r.engine.broadcast(r.era, m)
		return
	}
	m.To = r.to
	r.engine.send(m)
}
