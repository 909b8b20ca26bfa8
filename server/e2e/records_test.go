package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"satnav/server/identity"
)

type consentNode struct {
	ID     string          `json:"@id"`
	Type   string          `json:"@type"`
	Parts  json.RawMessage `json:"dct:hasPart"`
	Holds  bool            `json:"satnav:holds"`
	Status []struct {
		Status struct {
			ID string `json:"@id"`
		} `json:"dpv:hasStatus"`
		Notice struct {
			Version  string `json:"dct:hasVersion"`
			Language string `json:"dct:language"`
			Hash     string `json:"satnav:sha256"`
			Text     string `json:"dct:description"`
		} `json:"dpv:hasNotice"`
	} `json:"dpv:hasConsentStatus"`
	Process struct {
		Basis struct {
			ID string `json:"@id"`
		} `json:"dpv:hasLegalBasis"`
	} `json:"dpv:hasProcess"`
}

// TestConsentRecords decides, changes the words, decides again, and reads the records: the history is whole, each decision with the words that were read.
func TestConsentRecords(t *testing.T) {
	t.Parallel()
	const shop = "records"
	admin, me := city.role(t, identity.Admin, shop), city.as(t, identity.Claims{Role: identity.Shopper, Retailer: shop, Subject: "zzz-anna"})
	read27560 := func(query string) (graph []consentNode) {
		t.Helper()
		body := city.call(t, me, "GET", "/v1/me/permissions/records"+query, nil).wants(200).body
		if strings.Contains(string(body), "zzz-anna") {
			t.Error("the shopper's own id stands in the records")
		}
		var told struct {
			Context map[string]string `json:"@context"`
			Graph   []consentNode     `json:"@graph"`
		}
		if err := json.Unmarshal(body, &told); err != nil {
			t.Fatal(err)
		}
		for _, used := range []string{"dct", "dpv", "eu-gdpr", "dpv-27560", "xsd", "satnav"} {
			if told.Context[used] == "" {
				t.Errorf("the context does not say what %s is", used)
			}
		}
		return told.Graph
	}
	city.call(t, admin, "PUT", "/v1/retailer", `{"jurisdiction":"EU"}`).wants(200)
	if graph := read27560(""); len(graph) != 1 || graph[0].Type != "dpv:ConsentReceipt" {
		t.Errorf("nothing was decided: got %+v", graph)
	}
	city.call(t, me, "PUT", "/v1/me/permissions", `{"grants":{"location":true,"loyalty":true},"language":"de"}`).wants(200)
	city.call(t, admin, "PUT", "/v1/retailer", `{"jurisdiction":"EU","purposes":[{"purpose":"location","notice_version":"v2","notices":[{"language":"en","title":"Here","text":"New words."}]}]}`).wants(200)
	city.call(t, me, "PUT", "/v1/me/permissions", `{"grants":{"location":false}}`).wants(200)
	city.call(t, me, "PUT", "/v1/me/permissions", `{"grants":{"location":true}}`).wants(200)

	graph := read27560("?purpose=location")
	if len(graph) != 2 || graph[1].Type != "dpv:ConsentRecord" || !graph[1].Holds || !strings.Contains(string(graph[0].Parts), graph[1].ID) {
		t.Fatalf("got %+v, want a receipt and the record that it names", graph)
	}
	location := graph[1]
	if location.Process.Basis.ID != "eu-gdpr:A6-1-a" {
		t.Errorf("basis: got %s", location.Process.Basis.ID)
	}
	want := []string{"dpv:ConsentGiven", "dpv:ConsentWithdrawn", "dpv:ConsentGiven"}
	if len(location.Status) != len(want) {
		t.Fatalf("got %+v, want %v", location.Status, want)
	}
	for i, s := range location.Status {
		if s.Status.ID != want[i] || len(s.Notice.Hash) != 64 {
			t.Errorf("decision %d: got %+v, want %s", i, s, want[i])
		}
	}
	if first, last := location.Status[0].Notice, location.Status[2].Notice; first.Language != "de" || first.Text != "" || first.Hash == last.Hash || last.Version != "v2" || last.Text != "New words." {
		t.Errorf("the words that were read: got %+v, then %+v", first, last)
	}
	if graph := read27560(""); len(graph) != 3 {
		t.Errorf("all: got %d nodes, want a receipt and 2 records", len(graph))
	}
	if graph := read27560("?purpose=resale"); len(graph) != 1 {
		t.Errorf("of a purpose that nobody declared: got %+v", graph)
	}
}
