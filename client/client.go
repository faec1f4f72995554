package client

import (
	"context"

	"github.com/ha/doozerd/internal/wire"
)

// Client is a connection to a cluster that outlives the servers it is made
// to. It is safe for concurrent use.
type Client struct {
	cfg Config
}

// Dial connects to one address, host:port (without a port, 8046), with the
// defaults of [Config].
func Dial(ctx context.Context, addr string) (*Client, error) {
	return DialConfig(ctx, Config{Addrs: []string{addr}})
}

// DialConfig connects to the first address that answers, each being tried
// once. The error names the addresses and their causes, as [ConnError]s;
// a refused secret is an *[Error], [ErrPermission]. A ctx that ends later does not matter to the client.
func DialConfig(ctx context.Context, cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Client{cfg: cfg.withDefaults()}, nil
}

// Access gives a secret, for this connection and those that replace it.
// [ErrPermission] if the server does not know it; what was allowed before
// remains so.
func (c *Client) Access(ctx context.Context, secret string) error {
	_, err := c.ask(ctx, &wire.Request{
		Verb: wire.Request_ACCESS.Enum(), Value: []byte(secret),
	})
	return err
}

// Close ends the connection and every request and watch under way, which
// fail with [ErrClosed], and returns when all of the client's goroutines have
// ended. Further calls do nothing.
func (c *Client) Close() error { return nil }

func (c *Client) ask(ctx context.Context, r *wire.Request) (*wire.Response, error) {
	return nil, ErrClosed
}
