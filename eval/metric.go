package eval

// Values are one number for each metric that was computed, by its name. A
// metric that a record has no data for has no entry.
type Values map[string]float64

// The metrics. Shares, magnitudes, fluency and consistency are in per cent
// (times 100).
const (
	Score                  = "score" // S, of a summary only
	Efficacy               = "efficacy"
	Paraphrase             = "paraphrase"
	Neighbourhood          = "neighbourhood"
	Specificity            = "specificity"
	Portability            = "portability"
	EfficacyMagnitude      = "efficacy_magnitude"
	ParaphraseMagnitude    = "paraphrase_magnitude"
	NeighbourhoodMagnitude = "neighbourhood_magnitude"
	EfficacyAccuracy       = "efficacy_accuracy"
	ParaphraseAccuracy     = "paraphrase_accuracy"
	NeighbourhoodAccuracy  = "neighbourhood_accuracy"
	ExactMatch             = "exact_match"
	ExactMatchParaphrase   = "exact_match_paraphrase"
	NeighbourhoodChanged   = "neighbourhood_changed"
	Fluency                = "fluency"
	Consistency            = "consistency"
	Perplexity             = "perplexity"
	KL                     = "kl"
	SameTop1               = "same_top1"
	ChatNew                = "chat_new"
	ChatOld                = "chat_old"
	ChatMatch              = "chat_match"
	ChatEfficacy           = "chat_efficacy"
	ChatNeighbourhood      = "chat_neighbourhood"
)

// Metric says what a metric is.
type Metric struct {
	Name  string
	Short string // as papers abbreviate it
	About string
}

// Metrics are all metrics, in the order in which tables have them.
var Metrics = []Metric{
	{Score, "S", "harmonic mean of the means of efficacy, paraphrase and neighbourhood (zsRE: specificity)"},
	{Efficacy, "ES", "the new answer is likelier than the old one; zsRE: share of the answer's tokens that come first"},
	{Paraphrase, "PS", "the same on paraphrases"},
	{Neighbourhood, "NS", "the old answer is likelier than the new one on prompts of other subjects"},
	{Specificity, "Spec", "share of tokens that come first in the answers to questions of other matters"},
	{Portability, "Port", "the same in answers that follow from the new one"},
	{EfficacyMagnitude, "EM", "p(new) - p(old), p from the mean negative log-likelihood of a token"},
	{ParaphraseMagnitude, "PM", "the same on paraphrases"},
	{NeighbourhoodMagnitude, "NM", "p(old) - p(new) on prompts of other subjects"},
	{EfficacyAccuracy, "EA", "every token of the new answer comes first, given the ones before it"},
	{ParaphraseAccuracy, "PA", "the same on paraphrases"},
	{NeighbourhoodAccuracy, "NA", "the same for the old answer on prompts of other subjects"},
	{ExactMatch, "match", "the greedy continuation of the prompt starts with the new answer"},
	{ExactMatchParaphrase, "match P", "the same on paraphrases"},
	{NeighbourhoodChanged, "changed", "prompts of other subjects whose likeliest next token is another than the unedited model's"},
	{Fluency, "GE", "entropy of bigrams and trigrams of generated texts"},
	{Consistency, "RS", "TF-IDF cosine of generated texts with reference texts about the new answer"},
	{ChatNew, "chat new", "the free answer in a conversation holds the new answer"},
	{ChatOld, "chat old", "it holds the old one"},
	{ChatMatch, "chat match", "an assistant's turn that begins with the prompt goes on with the new answer"},
	{ChatEfficacy, "chat ES", "the new answer is likelier than the old one there"},
	{ChatNeighbourhood, "chat NS", "the old answer is likelier than the new one there, on prompts of other subjects"},
	{Perplexity, "ppl", "perplexity of the text"},
	{KL, "KL", "mean KL(base || edited) of the next token over the text, nats"},
	{SameTop1, "top-1", "share of tokens of the text with the same likeliest next token as the base"},
}

// yesNo are the metrics that are 0 or 100 of each record, Efficacy but for zsRE,
// where it is a share of tokens.
var yesNo = []string{Efficacy, EfficacyAccuracy, ExactMatch, ChatNew, ChatOld, ChatMatch, ChatEfficacy}
