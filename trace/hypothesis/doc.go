// Package hypothesis measures the storage hypothesis of ROME (Meng et al. 2022)
// in three parts, each by itself:
//
//   - [Memory]: the FFN is a key-value memory (Geva et al. 2021). What the FFN
//     output of each layer promotes at the subject's last token, and which
//     neurons carry it.
//   - [Knockout]: attention moves the information (Geva et al. 2023, arXiv
//     2304.14767). The answer's probability with the last token's view of the
//     subject cut in a window of layers.
//   - [Layers]: neighbouring layers may be swapped. What exchanging two of them,
//     or leaving one out, does to the answer and to perplexity on a text.
//
// [Run] measures all three, a [Tester] does so for many prompts. Each result has
// a Sentence, made from its numbers and not from what the hypothesis says.
// Several results of a kind have an average with intervals; [Average] takes all
// of them.
package hypothesis
