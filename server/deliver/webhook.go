package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"satnav/server/retailer"
)

// Refusal is the answer of a receiver that does not take a message.
type Refusal struct {
	Status     int
	RetryAfter time.Duration // what it asked for; 0: nothing
}

// Error tells the status alone: what a receiver writes is not ours to repeat.
func (r *Refusal) Error() string {
	return fmt.Sprintf("answered %d %s, want 2xx", r.Status, http.StatusText(r.Status))
}

// maxRetryAfter bounds how long a receiver may ask us to wait.
const maxRetryAfter = time.Hour

// webhook sends messages as Standard Webhooks says: the body is signed together with the id and the time.
type webhook struct {
	client *http.Client
	now    func() time.Time
}

func (w *webhook) send(ctx context.Context, hook *retailer.Webhook, m *Message) error {
	now := w.now()
	var signatures []string
	for _, key := range hook.Keys(now) {
		signer, err := standardwebhooks.NewWebhook(key)
		if err != nil {
			return err
		}
		signature, err := signer.Sign(m.ID, now, m.Body)
		if err != nil {
			return err
		}
		signatures = append(signatures, signature)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(m.Body))
	if err != nil {
		return err
	}
	// A key of the header as the standard writes it; http sends it in any case.
	request.Header.Set(standardwebhooks.HeaderWebhookID, m.ID)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("User-Agent", "satnav")
	response, err := w.client.Do(request)
	if err != nil {
		var told *url.Error
		if errors.As(err, &told) { // without the URL, which may hold a secret of the receiver
			err = told.Err
		}
		return err
	}
	defer response.Body.Close()
	// Read to the end, so that the connection serves the next message; a longer answer is not worth it.
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)); err != nil {
		return err
	}
	if response.StatusCode/100 == 2 {
		return nil
	}
	refusal := &Refusal{Status: response.StatusCode}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		refusal.RetryAfter = min(time.Duration(min(seconds, 1<<20))*time.Second, maxRetryAfter)
	}
	return refusal
}
