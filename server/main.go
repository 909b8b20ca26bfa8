// Satnav is the personal shopping sat-nav: see the README, or run "satnav --help".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // stores have time zones, and small images have no list of them

	"satnav/server/command"
	"satnav/server/heap"
)

func main() {
	heap.HugePages()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Run(ctx, os.Args[1:], command.IO{Out: os.Stdout, Err: os.Stderr, Environ: os.Environ()})
	stop()
	os.Exit(code)
}
