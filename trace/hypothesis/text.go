package hypothesis

import (
	"fmt"

	"retcon/llama"
	"retcon/trace"
)

// NeutralText is what perplexity is measured on unless another text is given.
const NeutralText = `The market opens at six, when the street lamps are still on. Fishermen bring their boxes up from the harbour on small carts, and the first customers walk slowly past the stalls before they decide what to buy. By eight the square is full. A woman sells bread from the back of a van; her brother takes the money and gives change without looking at the coins. Children on their way to school stop at the fountain, because the man who repairs umbrellas tells a different story every morning.

In winter there are fewer stalls, and most of them close before noon. The wind comes straight down the main road and nobody likes to stand still for long. People buy potatoes, onions and dried beans, and they talk about the weather of other years. The old bridge is often covered with ice, so that carts have to take the longer way around the mill.

Twice a year the council meets to set the price of a place. The meeting is open to everyone, but only the traders come. They sit on wooden benches, listen to the figures that the clerk reads out, and vote by raising a hand. It has never taken longer than an hour.`

// mostText is how many tokens of a text are read: every row's logits are in
// memory at once.
const mostText = 512

// TextTokens tokenises a text for [LayersConfig], "" being [NeutralText].
func TextTokens(m *llama.Model, text string) ([]int32, error) {
	if text == "" {
		text = NeutralText
	}
	tokens, err := m.Tokenize(text, false)
	if err != nil {
		return nil, err
	}
	var out []int32
	for _, t := range tokens {
		out = append(out, t.ID)
	}
	if len(out) < 2 {
		return nil, fmt.Errorf("%w: the text has %d tokens: perplexity needs two at least", trace.ErrPrompt, len(out))
	}
	return out, nil
}
