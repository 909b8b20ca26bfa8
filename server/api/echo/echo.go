// Package echo is the yardstick that /v1/context is measured with: the least that any handler of ours could do.
//
// It exists because requests a second mean little without a word about the machine. A bare fiber handler
// decodes the same requests and encodes an answer of the same kind, both with encoding/json as most services
// do, and knows nothing of shoppers. It lives below api because fiber does.
package echo

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
)

// Serve answers each POST /v1/context that it can decode with the same reply, until the context ends.
func Serve(ctx context.Context, listener net.Listener, reply *wire.ContextResponse) error {
	server := fiber.New(fiber.Config{DisableStartupMessage: true})
	server.Post("/v1/context", func(c *fiber.Ctx) error {
		var in wire.ContextRequest
		if err := json.Unmarshal(c.Body(), &in); err != nil {
			return fiber.NewError(fiber.StatusBadRequest, err.Error())
		}
		out, err := json.Marshal(reply)
		if err != nil {
			return err
		}
		c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
		return c.Send(out)
	})
	served := make(chan error, 1)
	go func() { served <- server.Listener(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("echo: %w", err)
	case <-ctx.Done():
		return server.Shutdown()
	}
}
