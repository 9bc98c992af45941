package trial

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/recoveryd/recoveryd/internal/app"
	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/detect/probe"
)

// diagnoseFlags describe a captured situation.
type diagnoseFlags struct {
	bodies    []string
	status    int
	latency   time.Duration
	timeout   time.Duration
	ctype     string
	retry     string
	transport string
	unit      string
	witnesses []string
	target    string
	manifests []string
	at        string
	cluster   clusterFlags
	words     map[string]string
	required  []string
	ignored   []string
}

// transportWords maps the words of --transport-error to outcomes.
var transportWords = map[string]string{"refused": detect.OutcomeRefused, "timeout": detect.OutcomeNoReply, "reset": detect.OutcomeReset,
	"no-connect": detect.OutcomeConnect, "dns": detect.OutcomeDNS, "tls": detect.OutcomeTLS}

func (c *cli) diagnoseCmd() *cobra.Command {
	var f diagnoseFlags
	cmd := &cobra.Command{
		Use:   "diagnose [FILE...]",
		Short: "Judge captured health replies offline, to try the rules",
		Long: `Judge captured health replies by the rules that the daemon uses, without touching anything.
Several files make a table. Without a file, the situation is what the flags say.

With --manifest the files are objects of a Kubernetes cluster, as kubectl get -o yaml or -o json prints them: workloads,
ReplicaSets, pods, events, services, endpoint slices, autoscalers, disruption budgets, quotas, nodes, in any mix. Every
workload is judged; nothing is asked of a cluster. With --namespace these objects are read from the API server that the
kubeconfig names; nothing is changed there.`,
		Example: `  recoveryd diagnose --body reply.json --status 200 --latency 1001ms --unit-state active --witness postgres=ok
  recoveryd diagnose --latency 5s --unit-state active --witness postgres=frozen
  recoveryd diagnose --transport-error refused --unit-state failed
  recoveryd diagnose captures/*.json -o json
  kubectl get deploy,rs,pods,svc,endpointslices,events,hpa,pdb,quota -n task-mcp -o yaml | recoveryd diagnose --manifest -
  recoveryd diagnose --namespace task-mcp --kubeconfig ~/.kube/config`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.cluster.namespace != "" || f.cluster.kubeconfig != "" || f.cluster.context != "" {
				if len(f.manifests)+len(args) > 0 {
					return console.Exit(console.Usage, errors.New("--namespace reads from a cluster, and files were given, too: one of the two"))
				}
				return c.diagnoseNamespace(cmd.Context(), f.cluster)
			}
			if len(f.manifests) > 0 {
				return c.diagnoseManifests(cmd.InOrStdin(), append(f.manifests, args...), f.at, f.cluster.advice)
			}
			return c.diagnose(f, append(f.bodies, args...), cmd.Flags().Changed("status"))
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&f.bodies, "body", nil, "file with a captured reply body (may be repeated)")
	fl.IntVar(&f.status, "status", 200, "HTTP status of the reply")
	fl.DurationVar(&f.latency, "latency", 0, "time until the reply was complete, or until the probe gave up")
	fl.DurationVar(&f.timeout, "timeout", 3*time.Second, "timeout of the health check: a latency from it on means that no reply came")
	fl.StringVar(&f.ctype, "content-type", "", "Content-Type of the reply")
	fl.StringVar(&f.retry, "retry-after", "", "Retry-After of the reply")
	fl.StringVar(&f.transport, "transport-error", "", "why there is no reply: refused, timeout, reset, no-connect, dns or tls")
	fl.StringVar(&f.unit, "unit-state", "", "state of the unit: "+strings.Join(app.UnitStates, ", "))
	fl.StringArrayVar(&f.witnesses, "witness", nil, "what a database dependency says, as NAME=STATE; STATE is one of "+strings.Join(app.WitnessStates, ", "))
	fl.StringArrayVar(&f.manifests, "manifest", nil, "file or folder with objects of a Kubernetes cluster, - for standard input (may be repeated; further arguments are manifests, too)")
	fl.StringVar(&f.at, "at", "", "with --manifest: the moment of the objects, as 2026-11-30T03:12:00Z (default: the latest time that they name)")
	fl.StringVar(&f.cluster.namespace, "namespace", "", "namespace of a Kubernetes cluster whose workloads are judged, read from its API server (default: that of the context, when a kubeconfig or a context is named)")
	fl.StringVar(&f.cluster.kubeconfig, "kubeconfig", "", "how the API server is reached (default: $KUBECONFIG, else ~/.kube/config)")
	fl.BoolVar(&f.cluster.advice, "advice", false, "with --manifest or --namespace: what makes the next outage likelier or longer, in place of what is wrong now")
	fl.StringVar(&f.cluster.context, "context", "", "context of the kubeconfig (default: its current one)")
	fl.StringToStringVar(&f.words, "word", nil, "what a word of the reply means, as WORD=healthy, degraded or unhealthy (like words of a health check)")
	fl.StringSliceVar(&f.required, "required-part", nil, "part of the reply without which the service is unhealthy")
	fl.StringSliceVar(&f.ignored, "ignored-part", nil, "part of the reply that counts for nothing")
	fl.StringVar(&f.target, "target", "service", "name of the service in the output")
	return cmd
}

// diagnose checks the flags, judges every file and prints the verdicts.
func (c *cli) diagnose(f diagnoseFlags, files []string, statusGiven bool) error {
	usage := func(format string, args ...any) error {
		return console.Exit(console.Usage, fmt.Errorf(format, args...))
	}
	if f.unit != "" && !slices.Contains(app.UnitStates, f.unit) {
		return usage("--unit-state %q is unknown (want one of %s)", f.unit, strings.Join(app.UnitStates, ", "))
	}
	if f.status < 0 || f.status > 599 {
		return usage("--status %d is no HTTP status (want 100 to 599)", f.status)
	}
	if _, ok := transportWords[f.transport]; !ok && f.transport != "" {
		return usage("--transport-error %q is unknown (want refused, timeout, reset, no-connect, dns or tls)", f.transport)
	}
	if f.latency < 0 || f.timeout <= 0 {
		return usage("--latency and --timeout must be positive")
	}
	for word, means := range f.words {
		if !slices.Contains([]string{"healthy", "degraded", "unhealthy"}, means) {
			return usage("--word %s=%s is unknown (want healthy, degraded or unhealthy)", word, means)
		}
	}
	witnesses := map[string]string{}
	for _, w := range f.witnesses {
		name, state, ok := strings.Cut(w, "=")
		if !ok || name == "" || !slices.Contains(app.WitnessStates, state) {
			return usage("--witness %q is not NAME=STATE with a state of %s", w, strings.Join(app.WitnessStates, ", "))
		}
		witnesses[name] = state
	}
	capture := func(file string, r *probe.Reply) app.Captured {
		return app.Captured{File: file, Reply: r, UnitState: f.unit, Witnesses: witnesses, Target: f.target}
	}
	var out []app.Verdict
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			return usage("read --body: %w", err)
		}
		out = append(out, app.Diagnose(capture(file, c.reply(f, body, true))))
	}
	if len(files) == 0 {
		out = append(out, app.Diagnose(capture("", c.reply(f, nil, statusGiven))))
	}
	if c.Output == "json" {
		return c.JSON(out)
	}
	return c.printVerdicts(out)
}

// reply makes the captured reply; nil when the flags describe none.
func (c *cli) reply(f diagnoseFlags, body []byte, answered bool) *probe.Reply {
	r := &probe.Reply{Status: f.status, ContentType: f.ctype, RetryAfter: f.retry, Body: body, NoBody: answered && len(body) == 0, Latency: f.latency,
		Terms: probe.Terms{Required: f.required, Ignored: f.ignored}}
	for word, means := range f.words {
		if r.Terms.Words == nil {
			r.Terms.Words = map[string]probe.State{}
		}
		r.Terms.Words[word] = probe.State(means)
	}
	switch {
	case f.transport != "":
		return &probe.Reply{Latency: f.latency, Outcome: transportWords[f.transport], Error: "as given by --transport-error"}
	case f.latency >= f.timeout:
		return &probe.Reply{Latency: f.latency, Outcome: detect.OutcomeNoReply, Error: "no reply within the timeout"}
	case !answered && (f.unit == "failed" || f.unit == "inactive" || f.unit == "stopped"):
		return &probe.Reply{Outcome: detect.OutcomeRefused, Error: "connection refused"} // nothing can listen for a dead unit
	case !answered:
		return nil
	}
	return r
}

func (c *cli) printVerdicts(list []app.Verdict) error {
	if len(list) == 1 {
		v := list[0]
		w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "verdict\t%s\n", v.Verdict)
		fmt.Fprintf(w, "class\t%s\n", console.Dash(string(v.Class)))
		fmt.Fprintf(w, "culprit\t%s\n", console.Dash(v.Culprit))
		fmt.Fprintf(w, "because\t%s\n", v.Because)
		fmt.Fprintf(w, "would\t%s\n", v.Would)
		if v.Advice != "" {
			fmt.Fprintf(w, "advice\t%s\n", v.Advice)
		}
		return w.Flush()
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FILE\tVERDICT\tCLASS\tCULPRIT\tBECAUSE\tWOULD")
	for _, v := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.File, v.Verdict, console.Dash(string(v.Class)), console.Dash(v.Culprit), v.Because, v.Would)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, v := range list {
		c.advise(v.File, v.Advice)
	}
	return nil
}

// advise prints what a person can do about one row of a table.
func (c *cli) advise(who, advice string) {
	if advice != "" {
		fmt.Fprintf(c.Out, "%s: %s\n", who, advice)
	}
}
