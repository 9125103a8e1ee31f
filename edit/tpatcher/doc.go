// Package patch trains neurons that correct a model's mistakes: T-Patcher
// (Huang et al., "Transformer-Patcher: One Mistake Worth One Neuron", ICLR
// 2023, arXiv 2301.09785).
//
// A patch is a key k, a bias b and a value v in the feed-forward network of the
// last layer. It fires for a query q, the network's input, where its
// pre-activation a = q·k + b is above 0, and then adds a v to the network's
// output. It is trained to fire for the query of one prediction that the model
// gets wrong, with a value that makes the target likeliest, and to stay silent
// for a memory of other queries.
//
// Everything before the network is constant: the queries and the residual
// stream are computed once, and only what follows it is run in a step
// ([lm.Head]). All else here is plain Go. Function neuronOf turns a patch into the
// neuron of a network as it is, gated or not, with a bias or without.
package tpatcher
