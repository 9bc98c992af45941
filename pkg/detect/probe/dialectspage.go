package probe

import (
	"fmt"
	"strings"
)

// DialectsPage renders docs/dialects.md from the table of dialects and the keys of parts. A test keeps it in step.
func DialectsPage() string {
	var b strings.Builder
	b.WriteString(dialectsHead)
	b.WriteString("| who | a reply, and what it says | healthy | degraded | unhealthy | takes no side | parts below |\n|---|---|---|---|---|---|---|\n")
	for _, d := range dialects {
		fmt.Fprintf(&b, "| [%s](%s) | `%s`: %s | %s | %s | %s | %s | %s |\n", d.Name, d.Source, strings.ReplaceAll(strings.ReplaceAll(d.Example, "\n", " ⏎ "), "|", `\|`), d.Says,
			strings.Join(d.Healthy, ", "), strings.Join(d.Degraded, ", "), strings.Join(d.Unhealthy, ", "), strings.Join(d.Neutral, ", "), strings.Join(d.Parts, ", "))
	}
	fmt.Fprintf(&b, dialectsParts, codes(checksKeys), codes(stores), codes(stateEndings), codes(badTruths), codes(softTruths), codes(failureKeys), codes(settings))
	return b.String()
}

func codes(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }

const dialectsHead = `# The world's words for health

<!-- Written by go test ./pkg/detect/probe -run TestDialectsPage -update from the table in pkg/detect/probe/dialects.go. -->

A health reply is understood when it is written in one of these ways. Upper and lower case, and the difference between
` + "`_`, `-`" + ` and a space, mean nothing; a word has the same meaning in every row. A status of 204, or of 2xx where the server says that
there is no body, is healthy. Anything else is *unknown*: it is quoted, nothing is done about it, and people are told when it lasts.

A word that is missing here is taught to one health check:

` + "```yaml" + `
targets:
  - name: shop
    kind: service
    unit: shop.service
    health:
      - url: http://127.0.0.1:8080/health
        words: {sunny: healthy, cloudy: degraded, "yellow": healthy}
        required_parts: [database]
        ignored_parts: [components.diskSpace]
` + "```" + `

- ` + "`words`" + ` go before the table, for the reply as a whole and for its parts. A whole body that is no JSON may be taught as well.
- ` + "`required_parts`" + `: the service is unhealthy when one of them is bad, whatever the reply says of itself, and unknown when one is
  missing or has a word that nobody knows.
- ` + "`ignored_parts`" + ` count for nothing. A reply that calls itself bad and names only ignored parts is healthy.

`

const dialectsParts = `
## A reply that contradicts itself

A reply with a good word whose parts say something bad, or which comes with an HTTP status of 400 or more, is *degraded*, and the sentence
names the part with its path. What counts as a part, and which false is bad:

- everything below a key for parts: %s, and what a row above names;
- at any place, what is called like a store of data or a broker: %s;
- a key that ends with the state of something (` + "`redis_status`, `databaseConnected`" + `): %s;
- an object or an item of a list with a state of its own (` + "`{name, status}`" + `); the innermost bad one is named;
- a true below %s; below %s it is degraded;
- anything listed in %s, and a text in ` + "`error`" + `;
- a false is never bad below a key that says how something is set up: %s;
- a part that the reply itself calls optional (` + "`optional: true`, `required`, `critical` or `fatal: false`, `enabled: false`" + `) contradicts nothing;
- numbers are figures, except HTTP statuses; null, empty texts and lists, and ` + "`last_...`" + ` say nothing.
`
