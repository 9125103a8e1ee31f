// Package covariance holds the second moment of a layer's keys, the
// C = E[k kᵀ] of ROME (Meng et al. 2022, equation 2), and solves C x = b.
//
// # Kinds
//
// [Full] is C itself, held as its Cholesky factor. [Diagonal] keeps the
// variances only, as an importance matrix does; it costs nothing where such a
// file exists. [Identity] is the shortcut C = I that several editors take.
// All three are a [Solver].
//
// # From keys to a factor
//
// [FromMoments] reads Σ k kᵀ tile by tile, divides by the number of keys,
// shrinks towards the diagonal where keys are few ([Options].Shrink), adds a
// ridge, and factors in place. Storage is the lower triangle in square tiles of
// float64: about 4 n² bytes for keys of length n, and no inverse is ever formed.
//
// The ridge is a fraction ([RidgeFraction]) of the median variance: the median,
// since a few outlier channels hold most of the trace in language models. When
// the matrix is not positive definite the ridge grows tenfold and the factor is
// made again, up to the mean variance.
//
// # On disk
//
// [Save] and [Open] keep a factor in a file after a header that
// names what it was made from ([Key]). A file is solved against in a streamed
// way, one row of tiles in memory, forwards and then backwards. The forward
// pass of the first solve checks the SHA-256 of all it reads; a file that does
// not match is [ErrCorrupt], and the caller makes a new one.
package covariance
