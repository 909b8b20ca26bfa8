package api

import (
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/oklog/ulid/v2"
)

// traceID names this call in problems and in our log: the trace id of a W3C traceparent when the caller
// sent one, else a ULID. It is worked out only when it is needed, and then stays the same for the call.
func traceID(c *fiber.Ctx) string {
	const local = "trace_id"
	if id, ok := c.Locals(local).(string); ok {
		return id
	}
	id, ok := traceparent(c.Get("traceparent"))
	if !ok {
		id = ulid.Make().String()
	}
	c.Locals(local, id)
	return id
}

// traceparent takes the trace id out of a header like 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01. The
// result shares no memory with the header.
func traceparent(header string) (id string, ok bool) {
	if len(header) < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-' || len(header) > 55 && header[55] != '-' {
		return "", false
	}
	version, id, parent := header[:2], header[3:35], header[36:52]
	if !isHex(version) || version == "ff" || version == "00" && len(header) != 55 ||
		!isHex(id) || !isHex(parent) || strings.Trim(id, "0") == "" || strings.Trim(parent, "0") == "" {
		return "", false
	}
	return strings.Clone(id), true
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
