// Package eval scores edits as the field does: on CounterFact and zsRE, and by
// perplexity and KL on text.
//
// # Data
//
// [ReadRecords] reads a data set; a [Record] holds a fact and the prompts that
// score it. [Subset] takes a range and a shard of it.
//
// # Metrics
//
// A [Scorer] runs the stages that are asked for ([Stage]) and gives [Values],
// one number a metric, by the names in [Metrics]. They follow the code of
// kmeng01/rome (experiments/py/eval_utils_counterfact.py, eval_utils_zsre.py,
// summarize.py); each file says what it computes:
//
//   - likelihood.go: efficacy, paraphrase, neighbourhood, their magnitudes,
//     teacher-forced accuracies, zsRE's specificity;
//   - match.go: what the model says when it runs free;
//   - fluency.go: n-gram entropy (GE) and consistency (RS) of generated texts,
//     over a Treebank word tokeniser (treebank.go, sentence.go) and TF-IDF
//     (tfidf.go);
//   - chat.go: the fact in a conversation, through the model's chat template;
//   - text.go: perplexity of a text, KL against the base, unchanged top-1
//     tokens.
//
// [Summarise] makes means with 95 % intervals, and the score S, of values.
//
// # Running
//
// A [Task] is what is to be scored, read from its files. A [Sweep] edits its
// records on one model, in each [Way] and for each way to score an edit, and a
// [Comparison] scores a model as it is. Both go by a [Runner], which takes one
// run after the other through the records, and goes on with what its [Results]
// have. Below them [Bench], [Sequence] and [Compare] score one record each.
//
// Edits come from an [Editor]; what its method is the package does not know.
//
// # Results
//
// [Results] hold runs and their records, in memory or in a file as well, written
// as they come, so that a run can be resumed, spread over machines and merged
// ([MergeResults]). A [Series] is a run with its entries; it makes tables and
// rows of itself.
//
// The package knows a model by the interface [Model] only, and builds without
// cgo. Log-probabilities are natural; values of shares and scores are in per
// cent.
package eval
