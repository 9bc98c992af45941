// Package doctest reads the project's Markdown for the tests that hold it against the program:
// links and anchors, commands, configurations and make targets that are named in it.
//
// It decides what of a page is a promise: every relative link, every shell line that runs
// recoveryd or make, every code span that begins with one of them, and every yaml block that is
// not marked as another program's ("yaml prometheus"). It knows neither the commands nor the
// configuration: the tests of cmd/recoveryd, which do, ask it for what the pages say.
//
// Start reading at [Read].
package doctest
