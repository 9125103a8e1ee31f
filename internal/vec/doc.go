// Package vec has the few operations on vectors of either width of float that
// editing needs; sums are taken in float64.
package vec
