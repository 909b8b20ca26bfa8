package draw

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"math"

	"satnav/recommend/backtest"
)

// Sizes of a backtest's picture, in pixels.
const (
	nameWidth = 380.0
	rowHeight = 28.0
	panelTop  = 86.0
)

// panels are the figures that are drawn, each in a panel of its own.
var panels = []struct{ figure, title string }{
	{"recall_10", "recall@10"}, {"ndcg_10", "NDCG@10"}, {"repeat_10", "recall@10 of repeats"}, {"new_10", "recall@10 of the new"},
}

// Backtest draws what each method of a backtest reached, with the interval within which it is believed; the best stands
// out. The same report gives the same bytes.
func Backtest(w io.Writer, r backtest.Report) error {
	out := bufio.NewWriter(w)
	height := panelTop + rowHeight*float64(len(r.Results)) + 40
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(out, "<title>Backtest of %d shoppers</title>\n%s<rect class=\"paper\" width=\"%.0f\" height=\"%.0f\"/>\n", r.Shoppers, style, width, height)
	fmt.Fprintf(out, `<text x="%.0f" y="34" class="kind">The next basket of %d shoppers</text>`+"\n", margin, r.Shoppers)
	fmt.Fprintf(out, `<text x="%.0f" y="54" class="small">%d shoppers and %d items were known; lines are 95 %% intervals over shoppers</text>`+"\n", margin, r.Known, r.Items)
	for i, result := range r.Results {
		fmt.Fprintf(out, `<text x="%.0f" y="%.1f">%s</text>`+"\n", margin, panelTop+rowHeight*(float64(i)+0.5)+5, html.EscapeString(result.Method))
	}
	each := (width - margin - nameWidth) / float64(len(panels))
	for k, p := range panels {
		drawPanel(out, r, p.figure, p.title, nameWidth+each*float64(k), each-margin)
	}
	fmt.Fprintln(out, "</svg>")
	return out.Flush()
}

// drawPanel draws one figure of all methods on a scale from 0.
func drawPanel(out io.Writer, r backtest.Report, figure, title string, left, wide float64) {
	most, best := 0.0, 0.0
	for _, result := range r.Results {
		most, best = max(most, result.All[figure].High), max(best, result.All[figure].Mean)
	}
	step := math.Pow(10, math.Floor(math.Log10(max(most, 1e-6))))
	for most/step < 2 {
		step /= 2
	}
	for most/step > 4 { // more would not be readable
		step *= 2
	}
	scale := wide / (step * math.Ceil(max(most, 1e-6)/step))
	bottom := panelTop + rowHeight*float64(len(r.Results))
	fmt.Fprintf(out, `<text x="%.1f" y="%.1f" class="kind">%s</text>`+"\n", left, panelTop-10, title)
	for tick := 0.0; tick*scale <= wide+0.5; tick += step {
		x := left + tick*scale
		fmt.Fprintf(out, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="frame"/><text x="%.1f" y="%.1f" class="small" text-anchor="middle">%.3g</text>`+"\n",
			x, panelTop, x, bottom, x, bottom+18, tick)
	}
	for i, result := range r.Results {
		of, ok := result.All[figure]
		if !ok {
			continue
		}
		class := "approach"
		if of.Mean == best {
			class = "enter"
		}
		y := panelTop + rowHeight*(float64(i)+0.5)
		fmt.Fprintf(out, `<g class="pin %s"><line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/><circle cx="%.1f" cy="%.1f" r="5"/></g>`+"\n",
			class, left+of.Low*scale, y, left+of.High*scale, y, left+of.Mean*scale, y)
		fmt.Fprintf(out, `<text x="%.1f" y="%.1f" class="small">%.4f</text>`+"\n", min(left+of.High*scale+5, left+wide-38), y-6, of.Mean)
	}
}
