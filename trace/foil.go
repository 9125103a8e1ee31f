package trace

// Foil is the token that the answer's logit is compared with. The zero value is
// none: logit differences are not measured then.
type Foil struct {
	named named
	token int32
}

// named says by what a foil is named.
type named int

const (
	noFoil named = iota
	byToken
	bySwap
)

// FoilToken is a foil that is a token of the vocabulary; see Prompt.Next.
func FoilToken(token int32) Foil { return Foil{byToken, token} }

// FoilOfSwap is the answer to the swapped prompt (Corruption.Tokens).
func FoilOfSwap() Foil { return Foil{named: bySwap} }
