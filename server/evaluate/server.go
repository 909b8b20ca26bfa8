package evaluate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"satnav/sdk-contract/wire"
)

// Server is a running Satnav and the retailer that the token names there; the token is a back end's.
type Server struct {
	URL, Token string
	Client     *http.Client // nil: http.DefaultClient
}

// call sends a body and reads the answer into out.
func (s *Server) call(ctx context.Context, method, path, mediaType string, body io.Reader, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.URL, "/")+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.Token)
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer.StatusCode != http.StatusOK {
		var problem wire.Problem
		if err := json.Unmarshal(text, &problem); err != nil {
			return fmt.Errorf("%s %s: the server answered %s", method, path, answer.Status)
		}
		return fmt.Errorf("%s %s: %s: %s", method, path, problem.Title, problem.Detail)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}

// ask calls an operation with JSON.
func (s *Server) ask(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return s.call(ctx, http.MethodPost, path, "application/json", bytes.NewReader(body), out)
}

// load imports the rows that write makes. Rows that are refused are an error: an evaluation of less than it was given
// would not say so.
func (s *Server) load(ctx context.Context, kind string, write func(io.Writer) error) (rows int64, err error) {
	from, to := io.Pipe()
	go func() { to.CloseWithError(write(to)) }()
	defer from.Close()
	var report wire.ImportReport
	if err := s.call(ctx, http.MethodPost, "/v1/import/"+kind, "text/csv", from, &report); err != nil {
		return 0, err
	}
	switch {
	case report.BrokeOff != "":
		return 0, fmt.Errorf("import %s: %s", kind, report.BrokeOff)
	case report.Refused > 0:
		return 0, fmt.Errorf("import %s: %d of %d rows were refused, the first: %s", kind, report.Refused, report.Rows, report.Rejected[0].Reason)
	}
	return report.Rows, nil
}

// learnt waits until the server has learnt from what was imported, and returns the model in service.
func (s *Server) learnt(ctx context.Context) (wire.Model, error) {
	for {
		var models wire.Models
		if err := s.call(ctx, http.MethodGet, "/v1/models", "", nil, &models); err != nil {
			return wire.Model{}, err
		}
		if !models.Learning {
			return models.Current, nil
		}
		select {
		case <-ctx.Done():
			return wire.Model{}, fmt.Errorf("the server is still learning: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// batchSize is how many shoppers are asked about in one call.
const batchSize = 500

// suggest asks for the plain rankings of shoppers and calls each with every list of items or stores.
func (s *Server) suggest(ctx context.Context, shoppers []string, at time.Time, kind wire.SuggestionKind, limit int, each func(shopper string, list []string) error) error {
	for len(shoppers) > 0 {
		some := shoppers[:min(len(shoppers), batchSize)]
		shoppers = shoppers[len(some):]
		var out wire.BatchResponse
		if err := s.ask(ctx, "/v1/suggestions/batch", wire.BatchRequest{Shoppers: some, At: at, Limit: &limit, Kinds: []wire.SuggestionKind{kind}}, &out); err != nil {
			return err
		}
		if len(out.Results) != len(some) {
			return fmt.Errorf("asked about %d shoppers, got %d lists", len(some), len(out.Results))
		}
		for _, result := range out.Results {
			list := make([]string, len(result.Suggestions))
			for i, suggestion := range result.Suggestions {
				list[i] = suggestion.Item
			}
			if err := each(result.Shopper, list); err != nil {
				return err
			}
		}
	}
	return nil
}

// visit posts a visit as it happens.
func (s *Server) visit(ctx context.Context, id, shopper, store string, at time.Time) error {
	var out wire.EventsResponse
	err := s.ask(ctx, "/v1/events", wire.EventsRequest{Events: []wire.Event{{ID: id, Kind: "visit", Shopper: shopper, Store: store, At: at}}}, &out)
	if err == nil && (len(out.Results) != 1 || out.Results[0].Status != "stored") {
		err = errors.New("a visit was not stored")
		if len(out.Results) == 1 && out.Results[0].Problem != nil {
			err = fmt.Errorf("a visit was not stored: %s", out.Results[0].Problem.Detail)
		}
	}
	return err
}
