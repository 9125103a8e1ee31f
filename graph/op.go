package graph

// Op is the name of an operator as ggml prints it. A unary operator and a gated
// one go by their own name (SILU, SWIGLU) instead of UNARY and GLU.
type Op string

// The operators that this package reads or writes.
const (
	OpNone      Op = "NONE"
	OpView      Op = "VIEW"
	OpReshape   Op = "RESHAPE"
	OpPermute   Op = "PERMUTE"
	OpTranspose Op = "TRANSPOSE"
	OpCont      Op = "CONT"
	OpDup       Op = "DUP"
	OpCpy       Op = "CPY"
	OpConcat    Op = "CONCAT"
	OpRepeat    Op = "REPEAT"
	OpPad       Op = "PAD"
	OpGetRows   Op = "GET_ROWS"
	OpSetRows   Op = "SET_ROWS"
	OpFill      Op = "FILL"

	OpAdd     Op = "ADD"
	OpSub     Op = "SUB"
	OpMul     Op = "MUL"
	OpDiv     Op = "DIV"
	OpScale   Op = "SCALE"
	OpClamp   Op = "CLAMP"
	OpSqr     Op = "SQR"
	OpSqrt    Op = "SQRT"
	OpSumRows Op = "SUM_ROWS"
	OpMean    Op = "MEAN"

	OpMulMat   Op = "MUL_MAT"
	OpMulMatID Op = "MUL_MAT_ID"
	OpOutProd  Op = "OUT_PROD"
	OpRope     Op = "ROPE"
	OpRopeBack Op = "ROPE_BACK"
	OpSoftMax  Op = "SOFT_MAX"
	OpRMSNorm  Op = "RMS_NORM"
	OpNorm     Op = "NORM"

	OpAbs       Op = "ABS"
	OpSgn       Op = "SGN"
	OpNeg       Op = "NEG"
	OpStep      Op = "STEP"
	OpTanh      Op = "TANH"
	OpRelu      Op = "RELU"
	OpSigmoid   Op = "SIGMOID"
	OpGelu      Op = "GELU"
	OpGeluQuick Op = "GELU_QUICK"
	OpGeluErf   Op = "GELU_ERF"
	OpSilu      Op = "SILU"
	OpExp       Op = "EXP"

	OpReglu      Op = "REGLU"
	OpGeglu      Op = "GEGLU"
	OpSwiglu     Op = "SWIGLU"
	OpGegluErf   Op = "GEGLU_ERF"
	OpGegluQuick Op = "GEGLU_QUICK"
)

// moves reports whether op only gives another view of its source's memory.
func (op Op) moves() bool {
	switch op {
	case OpView, OpReshape, OpPermute, OpTranspose:
		return true
	}
	return false
}

// Type is a ggml type by its number, which the file format fixes.
type Type int32

// The types that this package makes tensors of.
const (
	F32  Type = 0
	F16  Type = 1
	Q8_0 Type = 8
	I32  Type = 26
	I64  Type = 27
	BF16 Type = 30
)

// Size is the bytes of an element, 0 for a type that packs several in a block.
func (t Type) Size() uint64 {
	switch t {
	case F32, I32:
		return 4
	case F16, BF16:
		return 2
	case I64:
		return 8
	}
	return 0
}

// Digits is the number of binary digits that the significand of a value of a plain
// type has, the one that is not written included; 0 for other types. Rounding to
// the type moves a value by at most 2^-Digits of it.
func (t Type) Digits() int {
	switch t {
	case F32:
		return 24
	case F16:
		return 11
	case BF16:
		return 8
	}
	return 0
}
