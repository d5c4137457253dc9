// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/nicwright/nicwright/internal/golden"
)

const (
	alertsFile    = "../../../docs/alerts.yml"
	dashboardFile = "../../../docs/dashboard.json"
	pageFile      = "../../../docs/watch.md"
)

// check tells what is wrong with an expression: it does not parse, or names a metric, or
// a label of it, that there is not.
func check(expr string) error {
	e, err := metricsql.Parse(expr)
	if err != nil {
		return fmt.Errorf("%q: %w", expr, err)
	}
	families := map[string]Family{}
	for _, f := range Families() {
		families[f.Name] = f
	}
	var errs []error
	known := map[string]bool{"job": true, "instance": true} // of the scrape
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		m, ok := e.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range m.LabelFilterss {
			name := ""
			for _, f := range filters {
				if f.Label == "__name__" {
					name = f.Value
				}
			}
			f, there := families[name]
			if !there && name != "up" && !strings.HasPrefix(name, "process_") {
				errs = append(errs, fmt.Errorf("%q: there is no metric %q", expr, name))
			}
			for _, l := range f.Labels {
				known[l] = true
			}
			for _, l := range filters {
				if l.Label != "__name__" && !slices.Contains(append(f.Labels, "job", "instance"), l.Label) {
					errs = append(errs, fmt.Errorf("%q: %s has no label %q", expr, name, l.Label))
				}
			}
		}
	})
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		if a, ok := e.(*metricsql.AggrFuncExpr); ok {
			for _, l := range a.Modifier.Args {
				if !known[l] {
					errs = append(errs, fmt.Errorf("%q: by %q, which no metric in it has", expr, l))
				}
			}
		}
	})
	return errors.Join(errs...)
}

func TestCheck(t *testing.T) {
	for expr, ok := range map[string]bool{
		`nicwright_drift > 0`: true,
		`sum by (where) (rate(nicwright_tls_sessions_total[5m]))`:   true,
		`nicwright_flows{where="card"}`:                             true,
		`nicwright_flow{where="card"}`:                              false,
		`nicwright_flows{place="card"}`:                             false,
		`sum by (place) (nicwright_flows)`:                          false,
		`sum(nicwright_flows`:                                       false,
		`up{job="nicwright"} == 0 or process_resident_memory_bytes`: true,
	} {
		if err := check(expr); (err == nil) != ok {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

var shown = regexp.MustCompile(`\$labels\.([a-z_]+)`)

func TestAlerts(t *testing.T) {
	b, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.UnmarshalWithOptions(b, &doc, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range doc.Groups {
		for _, r := range g.Rules {
			rules++
			if err := check(r.Expr); err != nil {
				t.Errorf("%s: %v", r.Alert, err)
			}
			if _, err := time.ParseDuration(r.For); err != nil || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s: for %q, severity %q, summary %q", r.Alert, r.For, r.Labels["severity"], r.Annotations["summary"])
			}
			for _, m := range shown.FindAllStringSubmatch(fmt.Sprint(r.Annotations), -1) {
				has := m[1] == "instance"
				for _, f := range Families() {
					has = has || strings.Contains(r.Expr, f.Name) && slices.Contains(f.Labels, m[1])
				}
				if !has {
					t.Errorf("%s shows the label %s, which its expression does not have", r.Alert, m[1])
				}
			}
		}
	}
	if rules == 0 {
		t.Error("no rules")
	}
}

// promtool is Prometheus's own check, where there is one.
func TestAlertsByPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool here (Debian: prometheus)")
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", alertsFile).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDashboard(t *testing.T) {
	b, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	type target struct{ Expr, RefID string }
	var doc struct {
		Title  string
		UID    string `json:"uid"`
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ H, W, X, Y int }
			Targets []target
		}
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	ids, places, used := map[int]bool{}, map[[2]int]string{}, string(b)
	for _, p := range doc.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the ID %d", p.ID)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := places[at]; other != "" {
					t.Fatalf("%s lies over %s", p.Title, other)
				}
				places[at] = p.Title
			}
		}
		if p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 {
			t.Errorf("%s is at %v and shows %d things", p.Title, p.GridPos, len(p.Targets))
		}
		for _, q := range p.Targets {
			if err := check(strings.ReplaceAll(q.Expr, "$__rate_interval", "5m")); err != nil {
				t.Errorf("%s: %v", p.Title, err)
			}
		}
	}
	for _, f := range Families() {
		if strings.HasPrefix(f.Name, "nicwright_watch_") {
			continue // of the watch itself
		}
		if !strings.Contains(used, f.Name) {
			t.Errorf("%s is not on the dashboard", f.Name)
		}
	}
	if doc.Title == "" || doc.UID == "" || len(doc.Panels) == 0 {
		t.Error("not a dashboard")
	}
}

const (
	tableBegins = "<!-- metrics: made by NICWRIGHT_UPDATE=1 go test ./provision/watch/metrics -->\n"
	tableEnds   = "<!-- end of metrics -->"
)

// The table of the metrics in docs/watch.md is made of the families.
func TestPageHasTheMetrics(t *testing.T) {
	var b strings.Builder
	b.WriteString("| metric | labels | what |\n|---|---|---|\n")
	for _, f := range Families() {
		kind := "gauge"
		if f.Kind == prometheus.CounterValue {
			kind = "counter"
		}
		labels := "none"
		if len(f.Labels) > 0 {
			labels = "`" + strings.Join(f.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` (%s) | %s | %s |\n", f.Name, kind, labels, f.Help)
	}
	page, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("%s has no place for the metrics", pageFile)
	}
	golden.Text(t, pageFile, before+tableBegins+b.String()+tableEnds+after)
}
