// Package corpus is the natural text that statistics of a model are made from:
// a file of the user's, or text that the model writes itself.
package corpus
