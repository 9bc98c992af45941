package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/recoveryd/recoveryd/internal/console"
	"github.com/recoveryd/recoveryd/pkg/detect"
	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes"
	"github.com/recoveryd/recoveryd/pkg/platform/kubernetes/apiserver"
)

// diagnoseManifests judges the objects of a Kubernetes cluster from files: what `kubectl get -o yaml` or `-o json` printed.
func (c *cli) diagnoseManifests(stdin io.Reader, names []string, at string, advice bool) error {
	usage := func(format string, args ...any) error {
		return console.Exit(console.Usage, fmt.Errorf(format, args...))
	}
	var now time.Time
	if at != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, at); err != nil {
			return usage("--at %q is no time: write it as 2026-11-30T03:12:00Z", at)
		}
	}
	files, err := manifestFiles(names)
	if err != nil {
		return usage("%w", err)
	}
	var objects kubernetes.Objects
	for _, name := range files {
		if err := readManifest(&objects, name, stdin); err != nil {
			return usage("%w", err)
		}
	}
	if advice {
		return c.printAdvice(&objects)
	}
	list := kubernetes.Judge(&objects, now)
	if c.Output != "json" && at == "" && slices.ContainsFunc(list, func(j kubernetes.Judgement) bool {
		return j.Refused == "rollout-in-progress" && j.Verdict != detect.Healthy
	}) {
		// A pod that is not ready long after its last change looks like one that starts.
		defer func() {
			fmt.Fprintf(c.Out, "\nSome pods are taken to be starting, as of %s, the latest time that the objects name. When they were read later: --at TIME.\n", objects.Newest().UTC().Format(time.RFC3339))
		}()
	}
	if len(list) == 0 {
		return usage("nothing to judge in %s: give the workloads and their pods (kubectl get deployments,statefulsets,daemonsets,replicasets,jobs,pods,services,endpointslices,events,hpa,pdb,resourcequota -n NAMESPACE -o yaml)", strings.Join(names, ", "))
	}
	return c.judgements(list, &objects)
}

// clusterFlags say which objects of which cluster are read.
type clusterFlags struct {
	namespace, kubeconfig, context string
	advice                         bool
}

// readTimeout bounds the reading of a namespace: 16 lists, of which the largest takes a second or two.
const readTimeout = time.Minute

// diagnoseNamespace judges the workloads of a namespace as its API server tells them. It only reads.
func (c *cli) diagnoseNamespace(ctx context.Context, f clusterFlags) error {
	usage := func(err error) error { return console.Exit(console.Usage, err) }
	file := f.kubeconfig
	if file == "" {
		// $KUBECONFIG may name several files that are laid over each other; the first is taken.
		file, _, _ = strings.Cut(os.Getenv("KUBECONFIG"), string(os.PathListSeparator))
	}
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return usage(fmt.Errorf("which kubeconfig? name one with --kubeconfig: %w", err))
		}
		file = filepath.Join(home, ".kube", "config")
	}
	access, err := apiserver.Load(file, f.context)
	if err != nil {
		return usage(err)
	}
	namespace := cmp.Or(f.namespace, access.Namespace)
	if namespace == "" {
		return usage(errors.New("the context names no namespace: name one with --namespace"))
	}
	if strings.ContainsAny(namespace, "/?#% ") {
		return usage(fmt.Errorf("%q is no name of a namespace", namespace))
	}
	client, err := apiserver.New(access)
	if err != nil {
		return usage(err)
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	objects, now, err := client.Read(ctx, namespace)
	if err != nil {
		return err
	}
	if f.advice {
		return c.printAdvice(objects)
	}
	list := kubernetes.Judge(objects, now)
	if len(list) == 0 && c.Output != "json" {
		_, err := fmt.Fprintf(c.Out, "Namespace %s has no workload.\n", namespace)
		return err
	}
	return c.judgements(list, objects)
}

// printAdvice shows what weakens the workloads, by target.
func (c *cli) printAdvice(objects *kubernetes.Objects) error {
	list := kubernetes.Prevent(objects)
	if c.Output == "json" {
		return c.JSON(list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(c.Out, "Nothing weakens the workloads, as far as the objects tell.")
		return err
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	for _, a := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\n", console.Printable(a.Target), a.Finding, console.Printable(a.Why))
	}
	return w.Flush()
}

// judgements prints them in the form that was asked for.
func (c *cli) judgements(list []kubernetes.Judgement, objects *kubernetes.Objects) error {
	if c.Output == "json" {
		return c.JSON(list)
	}
	return c.printJudgements(list, objects)
}

// manifestFiles replaces folders by the YAML and JSON files in them.
func manifestFiles(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		info, err := os.Stat(name)
		switch {
		case name == "-" || err == nil && !info.IsDir():
			files = append(files, name)
		case err != nil:
			return nil, fmt.Errorf("read --manifest: %w", err)
		default:
			entries, err := os.ReadDir(name)
			if err != nil {
				return nil, fmt.Errorf("read --manifest: %w", err)
			}
			found := len(files)
			for _, e := range entries {
				if ext := filepath.Ext(e.Name()); !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
					files = append(files, filepath.Join(name, e.Name()))
				}
			}
			if len(files) == found {
				return nil, fmt.Errorf("the folder %s has no .yaml, .yml or .json file", name)
			}
		}
	}
	return files, nil
}

func readManifest(objects *kubernetes.Objects, name string, stdin io.Reader) error {
	if name == "-" {
		return objects.Read("standard input", stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read --manifest: %w", err)
	}
	defer f.Close()
	return objects.Read(name, f)
}

// printCommands shows what to type, or what not, each with its reason as a comment, so that a line can be copied as it is.
func printCommands(w io.Writer, label string, list []kubernetes.Command) {
	for _, c := range list {
		fmt.Fprintf(w, "  %s\t%s   # %s\n", label, console.Printable(c.Command), console.Printable(c.Why))
		label = ""
	}
}

// printJudgements shows trouble first, one block each, then who is well in a line each.
func (c *cli) printJudgements(list []kubernetes.Judgement, objects *kubernetes.Objects) error {
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	well := 0
	for _, j := range list {
		if j.Verdict == detect.Healthy {
			well++
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", j.Target, j.Verdict, console.Dash(string(j.Class)))
		fmt.Fprintf(w, "  because\t%s\n", j.Because)
		if j.Culprit != "" && j.Culprit != j.Target {
			fmt.Fprintf(w, "  culprit\t%s\n", j.Culprit)
		}
		fmt.Fprintf(w, "  would\t%s\n", j.Would)
		if j.Refused != "" {
			fmt.Fprintf(w, "  held by\t%s\n", j.Refused)
		}
		printCommands(w, "type", j.Proposal)
		printCommands(w, "never", j.Never)
		fmt.Fprintln(w)
		w.Flush()
	}
	for _, j := range list {
		if j.Verdict == detect.Healthy {
			fmt.Fprintf(w, "%s\thealthy\t%s\n", j.Target, j.Because)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, why := range objects.NotRead() {
		if _, err := fmt.Fprintf(c.Out, "\nNot read: %s\n", console.Printable(why)); err != nil {
			return err
		}
	}
	if well < len(list) && !objects.Shown("Event") {
		_, err := fmt.Fprintln(c.Out, "\nNo events were given: with them (kubectl get events -n NAMESPACE -o yaml) more can be said.")
		return err
	}
	return nil
}
