package web

import (
	"context"
	"net/http"
	"time"
)

// readyTimeout is how long a node may take to show that it is ready.
const readyTimeout = 2 * time.Second

// livez answers whether the process does its work, however well: if not, it
// should be restarted. A node that is cut off from the others is alive.
func (v *View) livez(w http.ResponseWriter, r *http.Request) {
	health(w, r, v.config.Live())
}

// readyz answers whether clients should be sent here.
func (v *View) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	health(w, r, v.config.Ready(ctx))
}

func health(w http.ResponseWriter, r *http.Request, why error) {
	if why != nil {
		send(w, r, http.StatusServiceUnavailable, "text/plain; charset=utf-8", []byte(why.Error()+"\n"))
		return
	}
	send(w, r, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
}
