package report

import (
	"fmt"
	"math"
)

type rgb struct{ r, g, b uint8 }

func (c rgb) hex() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// ramp is a scale of colours whose lightness only falls, or only rises: it
// reads the same without its hue.
type ramp [5]rgb

// light are ColorBrewer's Purples, Greens and Reds.
var light = [...]ramp{
	Hidden: {{0xfc, 0xfb, 0xfd}, {0xda, 0xda, 0xeb}, {0x9e, 0x9a, 0xc8}, {0x6a, 0x51, 0xa3}, {0x3f, 0x00, 0x7d}},
	MLP:    {{0xf7, 0xfc, 0xf5}, {0xc7, 0xe9, 0xc0}, {0x74, 0xc4, 0x76}, {0x23, 0x8b, 0x45}, {0x00, 0x44, 0x1b}},
	Attn:   {{0xff, 0xf5, 0xf0}, {0xfc, 0xbb, 0xa1}, {0xfb, 0x6a, 0x4a}, {0xcb, 0x18, 0x1d}, {0x67, 0x00, 0x0d}},
}

// dark are their counterparts on a dark page: from its ground to bright.
var dark = [...]ramp{
	Hidden: {{0x21, 0x1f, 0x29}, {0x41, 0x34, 0x6b}, {0x6f, 0x58, 0xb0}, {0xa8, 0x9a, 0xe0}, {0xf0, 0xec, 0xff}},
	MLP:    {{0x1b, 0x24, 0x1e}, {0x1d, 0x4f, 0x31}, {0x2f, 0x8a, 0x4e}, {0x7c, 0xc9, 0x8a}, {0xe8, 0xfb, 0xe6}},
	Attn:   {{0x2a, 0x1d, 0x1d}, {0x66, 0x24, 0x22}, {0xb5, 0x38, 0x30}, {0xf5, 0x87, 0x6c}, {0xff, 0xeb, 0xe2}},
}

// below are the colours under the corrupted value on a symmetric scale: orange
// against purple, blue against green and red, which differ for any eye.
var (
	lightBelow = [...]ramp{Hidden: lightOrange, MLP: lightBlue, Attn: lightBlue}
	darkBelow  = [...]ramp{Hidden: darkOrange, MLP: darkBlue, Attn: darkBlue}

	lightOrange = ramp{{0xff, 0xf5, 0xeb}, {0xfd, 0xd0, 0xa2}, {0xfd, 0x8d, 0x3c}, {0xd9, 0x48, 0x01}, {0x7f, 0x27, 0x04}}
	lightBlue   = ramp{{0xf7, 0xfb, 0xff}, {0xc6, 0xdb, 0xef}, {0x6b, 0xae, 0xd6}, {0x21, 0x71, 0xb5}, {0x08, 0x30, 0x6b}}
	darkOrange  = ramp{{0x27, 0x20, 0x1a}, {0x5e, 0x36, 0x14}, {0xa8, 0x5a, 0x17}, {0xee, 0x9c, 0x50}, {0xff, 0xee, 0xdc}}
	darkBlue    = ramp{{0x1b, 0x21, 0x28}, {0x1f, 0x42, 0x66}, {0x2f, 0x74, 0xb0}, {0x7f, 0xb8, 0xe6}, {0xe4, 0xf2, 0xff}}
)

// theme is a page's ground: which colours show on it. Both sides of a symmetric
// scale begin at the same grey.
type theme struct {
	above, below [3]ramp
	grey         rgb
}

var (
	lightTheme = theme{light, lightBelow, rgb{0xf7, 0xf7, 0xf7}}
	darkTheme  = theme{dark, darkBelow, rgb{0x20, 0x21, 0x24}}
)

// at is the colour of a shade of a scale.
func (t theme) at(k Kind, shade float64, symmetric bool) rgb {
	if !symmetric {
		return t.above[k].at(shade)
	}
	side := t.above[k]
	if shade < 0.5 {
		side = t.below[k]
	}
	side[0] = t.grey
	return side.at(math.Abs(2*shade - 1))
}

// at is the colour of a shade from 0 to 1.
func (p ramp) at(shade float64) rgb {
	x := shade * float64(len(p)-1)
	i := min(int(x), len(p)-2)
	f := x - float64(i)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + f*(float64(b)-float64(a)))) }
	return rgb{mix(p[i].r, p[i+1].r), mix(p[i].g, p[i+1].g), mix(p[i].b, p[i+1].b)}
}

// luma is how light a colour looks, from 0 to 255.
func (c rgb) luma() float64 {
	return 0.2126*float64(c.r) + 0.7152*float64(c.g) + 0.0722*float64(c.b)
}

// xterm are the ramps in the palette of 256, chosen by eye: the nearest colour
// of each shade would stray into other hues.
var xterm = [...][8]int{
	Hidden: {231, 189, 183, 141, 98, 92, 55, 54},
	MLP:    {231, 194, 157, 114, 71, 34, 28, 22},
	Attn:   {231, 224, 217, 210, 203, 160, 124, 88},
}

// xtermBelow are the colours under the corrupted value on a symmetric scale.
var xtermBelow = [...][8]int{
	Hidden: {231, 224, 223, 216, 209, 166, 130, 94},
	MLP:    {231, 195, 153, 111, 75, 32, 25, 18},
	Attn:   {231, 195, 153, 111, 75, 32, 25, 18},
}

// black and white of the palette of 256.
const (
	xtermBlack = 16
	xtermWhite = 231
)
