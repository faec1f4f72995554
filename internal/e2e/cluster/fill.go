package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ha/doozerd/client"
)

// fillers is how many sets Fill has under way at once.
const fillers = 256

// Fill makes files of 128 bytes in a directory, through host 1.
func (c *Cluster) Fill(ctx context.Context, dir string, files int) error {
	cl, err := c.Dial(ctx, 1)
	if err != nil {
		return err
	}
	defer cl.Close()
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, fillers)
	body := make([]byte, 128)
	for f := range fillers {
		group.Go(func() {
			for k := next.Add(1); k <= int64(files) && errs[f] == nil; k = next.Add(1) {
				_, errs[f] = cl.Set(ctx, fmt.Sprintf("%s/f%d", dir, k), client.Clobber, body)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
