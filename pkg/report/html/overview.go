package html

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/internal/printable"
	"github.com/sparkchaos/sparkchaos/internal/wording"
	"github.com/sparkchaos/sparkchaos/pkg/report/timeline"
)

// maxLanes is the number of lanes of the picture that needs no JavaScript.
const maxLanes = 60

// The measures of the picture.
const (
	pictureWidth = 1000
	labelWidth   = 190
	laneHeight   = 17
	laneGap      = 3
	headHeight   = 44 // faults and phases
	tickHeight   = 18
)

// drawn returns the places of the lanes that the picture shows: those that faults touched, of the control plane, nodes and application
// first.
func drawn(t *timeline.Timeline) []int {
	if len(t.Lanes) <= maxLanes {
		all := make([]int, len(t.Lanes))
		for i := range all {
			all[i] = i
		}
		return all
	}
	rank := make([]int, len(t.Lanes))
	touched := map[int]bool{}
	for _, f := range t.Faults {
		for _, i := range f.Lanes {
			touched[i] = true
		}
	}
	for i, lane := range t.Lanes {
		switch {
		case lane.Group == timeline.Application && lane.Depth == 0:
			rank[i] = 0
		case touched[i]:
			rank[i] = 1
		case lane.Group == timeline.ControlPlane || lane.Group == timeline.Nodes:
			rank[i] = 2
		case lane.Group == timeline.OtherPods:
			rank[i] = 4
		default:
			rank[i] = 3
		}
	}
	chosen := map[int]bool{}
	for r := 0; r <= 4; r++ {
		for i := range t.Lanes {
			if rank[i] == r && len(chosen) < maxLanes {
				chosen[i] = true
			}
		}
	}
	var all []int
	for i := range t.Lanes {
		if chosen[i] {
			all = append(all, i)
		}
	}
	return all
}

// picture writes an SVG. Its colours and patterns are classes of the page's style sheet.
type picture struct {
	strings.Builder
	t     *timeline.Timeline
	place map[int]int // of a lane: its line
}

// overview returns the timeline as a picture that needs no JavaScript.
func overview(t *timeline.Timeline) (template.HTML, error) {
	lanes := drawn(t)
	p := &picture{t: t, place: map[int]int{}}
	for line, i := range lanes {
		p.place[i] = line
	}
	height := headHeight + len(lanes)*(laneHeight+laneGap) + tickHeight
	fmt.Fprintf(p, `<svg class="overview" viewBox="0 0 %d %d" role="img" aria-label="%s"><title>%s</title>`,
		pictureWidth, height, summary(t), summary(t))
	p.WriteString(`<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect ` +
		`width="6" height="6" class="hatch-back"/><line x1="0" y1="0" x2="0" y2="6" class="hatch-line"/></pattern></defs>`)
	p.ticks(height)
	for _, f := range t.Faults {
		p.fault(f, height)
	}
	for _, i := range lanes {
		p.lane(t.Lanes[i], p.y(i))
	}
	for _, b := range t.Phases {
		p.bracket(b)
	}
	for _, o := range t.Overlaps {
		p.overlap(o)
	}
	p.WriteString("</svg>")
	return template.HTML(p.String()), nil
}

func summary(t *timeline.Timeline) string {
	return fmt.Sprintf("%d lanes over %s, %d faults; the table below says the same in words", len(drawn(t)), wording.Duration(t.End),
		len(t.Faults))
}

func (p *picture) y(lane int) int { return headHeight + p.place[lane]*(laneHeight+laneGap) }

func (p *picture) x(at time.Duration) float64 {
	if p.t.End <= p.t.Begin {
		return labelWidth
	}
	return labelWidth + float64(pictureWidth-labelWidth-4)*max(0, min(1, (at-p.t.Begin).Seconds()/(p.t.End-p.t.Begin).Seconds()))
}

// escape returns text from outside for an element or an attribute.
func escape(text string) string { return template.HTMLEscapeString(printable.Line(text)) }

// short cuts a text to a number of letters.
func short(text string, most int) string {
	letters := []rune(printable.Line(text))
	if len(letters) <= most {
		return string(letters)
	}
	return string(letters[:max(0, most-1)]) + "…"
}

// letterWidth is how wide a letter of the picture is, at the most.
const letterWidth = 6.2

func (p *picture) text(class string, x, y float64, width float64, text string) {
	if shown := short(text, int(width/letterWidth)); len([]rune(shown)) > 1 {
		fmt.Fprintf(p, `<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, x, y, template.HTMLEscapeString(shown))
	}
}

func (p *picture) box(class string, from, to time.Duration, y, height float64, title string) {
	x := p.x(from)
	fmt.Fprintf(p, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`,
		class, x, y, max(1, p.x(to)-x), height, escape(title))
}

// ticks draws lines at round times.
func (p *picture) ticks(height int) {
	step := time.Second
	for _, factor := range []time.Duration{5, 2, 3, 2, 5, 2, 3, 2, 10, 10} {
		if (p.t.End-p.t.Begin)/step <= 10 {
			break
		}
		step *= factor
	}
	for at := (p.t.Begin + step - 1) / step * step; at <= p.t.End; at += step {
		x := p.x(at)
		fmt.Fprintf(p, `<line class="tick" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x, x, headHeight-4, height-tickHeight)
		p.text("label small", x+2, float64(height-5), 80, at.String())
	}
}

func (p *picture) fault(f timeline.Window, height int) {
	title := fmt.Sprintf("fault %s (%s on %s) from %s to %s", f.Fault, f.Kind, f.Target, offset(f.From), offset(f.To))
	if !f.Landed {
		title += ", which did not land"
	}
	p.box("fault-head", f.From, f.To, 2, 16, title)
	p.box("fault-window", f.From, f.To, 18, float64(height-18-tickHeight), title)
	p.text("fault-text", p.x(f.From)+4, 14, pictureWidth-p.x(f.From)-6, "⚡ "+f.Kind+" "+f.Target)
	for _, i := range f.Lanes {
		if _, shown := p.place[i]; shown {
			p.box("fault-lane", f.From, f.To, float64(p.y(i)-1), laneHeight+2, title)
		}
	}
}

func (p *picture) lane(lane timeline.Lane, y int) {
	indent := float64(4 + 10*lane.Depth)
	p.text("label", indent, float64(y+13), labelWidth-indent-6, lane.Name)
	for _, s := range lane.Spans {
		if s.To < p.t.Begin {
			continue
		}
		top, height := float64(y), float64(laneHeight)-6
		if s.Low {
			top, height = float64(y)+laneHeight-6, 6
		}
		p.box("s-"+class(s.State), s.From, s.To, top, height,
			fmt.Sprintf("%s: %s, %s to %s", strings.TrimSpace(lane.Name+" "+lane.Detail), s.Text, offset(s.From), offset(s.To)))
		if !s.Low {
			p.text("span-text", p.x(s.From)+3, top+9, p.x(s.To)-p.x(s.From)-6, string(s.State))
		}
	}
	for _, m := range lane.Marks {
		x := p.x(m.At)
		fmt.Fprintf(p, `<path class="mark" d="M%.1f %dl-3 5h6z"><title>%s</title></path>`, x, y+5,
			escape(fmt.Sprintf("%s: %s %s", lane.Name, m.Text, offset(m.At))))
	}
}

// class returns the class of a state in the style sheet.
func class(state timeline.State) string { return strings.ReplaceAll(string(state), " ", "-") }

func (p *picture) bracket(b timeline.Bracket) {
	from, to, y := p.x(b.From), p.x(b.To), 26+8*float64(b.Row)
	fmt.Fprintf(p, `<path class="bracket" d="M%.1f %.1fv4h%.1fv-4"><title>%s</title></path>`, from, y, max(1, to-from),
		escape(fmt.Sprintf("phase of recovery: %s, %s", b.Name, wording.Duration(b.To-b.From))))
	if b.Row == 0 {
		p.text("label small", from+1, y-1, to-from, b.Name)
	}
}

func (p *picture) overlap(o timeline.Overlap) {
	_, first := p.place[o.Lanes[0]]
	_, second := p.place[o.Lanes[1]]
	if !first || !second {
		return
	}
	top, bottom := p.y(o.Lanes[0]), p.y(o.Lanes[1])+laneHeight
	title := fmt.Sprintf("two drivers alive for %s", wording.Duration(o.To-o.From))
	p.box("overlap", o.From, o.To, float64(top-1), float64(bottom-top+2), title)
	x := p.x(o.From) + 3
	p.text("overlap-text", x, float64(top+laneHeight+10), pictureWidth-x, "✖ "+title)
}
