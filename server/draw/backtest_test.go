package draw

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"satnav/recommend/backtest"
)

func TestBacktest(t *testing.T) {
	t.Parallel()
	of := func(mean float64) map[string]backtest.Interval {
		return map[string]backtest.Interval{"recall_10": {Mean: mean, Low: mean - 0.01, High: mean + 0.01, Shoppers: 9}}
	}
	report := backtest.Report{Shoppers: 9, Known: 12, Items: 7, Results: []backtest.Result{
		{Method: "first & <best>", All: of(0.31)}, {Method: "second", All: of(0.25)}, {Method: "nothing", All: map[string]backtest.Interval{}},
	}}
	var picture bytes.Buffer
	if err := Backtest(&picture, report); err != nil {
		t.Fatal(err)
	}
	texts, marks := "", map[string]int{}
	for decoder := xml.NewDecoder(bytes.NewReader(picture.Bytes())); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			texts += string(token) + "\n"
		case xml.StartElement:
			for _, a := range token.Attr {
				if a.Name.Local == "class" {
					marks[a.Value]++
				}
			}
		}
	}
	for _, want := range []string{"9 shoppers", "first & <best>", "second", "nothing", "0.3100", "0.2500", "recall@10", "NDCG@10"} {
		if !strings.Contains(texts, want) {
			t.Errorf("the picture does not say %q", want)
		}
	}
	if marks["pin enter"] != 1 || marks["pin approach"] != 1 {
		t.Errorf("got marks %v, want the best one to stand out and one other", marks)
	}
	var again bytes.Buffer
	if err := Backtest(&again, report); err != nil || !bytes.Equal(again.Bytes(), picture.Bytes()) {
		t.Error("the same report gave another picture")
	}
}
