package page

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/recoveryd/recoveryd/internal/httpserve/hosttest"
)

// picturesOfTheDocs takes those of docs/images: RECOVERYD_SHOTS=DIR go test -run PicturesOfTheDocs, then copy
// status-*.png there.
func picturesOfTheDocs(ctx context.Context, t *testing.T, dir string) {
	t.Helper()
	_, _, calm := serve(t, hosttest.Night)
	h, _, broken := serve(t, hosttest.DatabaseDead)
	save := func(name string, m image.Image) {
		var b bytes.Buffer
		require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, fewColours(m)))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600))
	}
	const live = `#link[data-state="live"]`

	screen{"", 1200, 900, false}.show(ctx, t, broken, live)
	save("status-incident.png", part(ctx, t, 0, 1180))

	screen{"", 1080, 900, true}.show(ctx, t, broken, live)
	top := find[float64](ctx, t, `document.getElementById("targets").getBoundingClientRect().top + scrollY`)
	end := find[float64](ctx, t, `document.getElementById("past").getBoundingClientRect().top + scrollY`)
	save("status-targets.png", part(ctx, t, top-8, end-8))

	screen{"", 1200, 900, false}.show(ctx, t, broken+"/incidents/"+only(t, h), live)
	find[int](ctx, t, `document.querySelectorAll("details")[1].open = true, 0`)
	save("status-why.png", part(ctx, t, 0, 1300))

	both := image.NewRGBA(image.Rect(0, 0, 800, 1180))
	draw.Draw(both, both.Bounds(), image.White, image.Point{}, draw.Src)
	screen{"", 390, 844, true}.show(ctx, t, broken, live)
	draw.Draw(both, image.Rect(0, 0, 390, 1180), part(ctx, t, 0, 1180), image.Point{}, draw.Src)
	screen{"", 390, 844, false}.show(ctx, t, calm, live)
	draw.Draw(both, image.Rect(410, 0, 800, 1180), part(ctx, t, 0, 1180), image.Point{}, draw.Src)
	save("status-phone.png", both)
}

// fewColours keeps the most used of the colours that can be told apart: a page of text needs no more, and
// is a third of the size.
func fewColours(m image.Image) image.Image {
	used := map[color.RGBA]int{}
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			used[color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)]++
		}
	}
	var kept color.Palette
	square := func(a, b uint8) int { return (int(a) - int(b)) * (int(a) - int(b)) }
	for _, c := range slices.SortedFunc(maps.Keys(used), func(a, b color.RGBA) int { return used[b] - used[a] }) {
		near := slices.ContainsFunc(kept, func(k color.Color) bool {
			o := k.(color.RGBA)
			return square(c.R, o.R)+square(c.G, o.G)+square(c.B, o.B) < 200 && used[c] < 400
		})
		if !near && len(kept) < 256 {
			kept = append(kept, c)
		}
	}
	out := image.NewPaletted(m.Bounds(), kept)
	draw.Draw(out, out.Bounds(), m, m.Bounds().Min, draw.Src)
	return out
}

// part is a picture of the page between two heights.
func part(ctx context.Context, t *testing.T, top, end float64) image.Image {
	t.Helper()
	all := true
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &all,
		Clip: &page.Viewport{X: 0, Y: top, Width: find[float64](ctx, t, `innerWidth`), Height: end - top, Scale: 1}})
	require.NoError(t, err)
	m, err := png.Decode(bytes.NewReader(shot.Data))
	require.NoError(t, err)
	return m
}
