// SPDX-License-Identifier: GPL-2.0
/*
 * The instruction decoder against encodings that the assembler made: what each
 * form is, that every shorter piece of it asks for more, and that bytes behind
 * it change nothing.
 */
#include "insn_encodings.h"
#include "platform/insn.h"
#include "tap.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

struct encoding {
	const char *text;
	const u8 *start, *end;
	unsigned int bits;
	struct insn insn; /* len is the encoding's */
};

/* The instruction's fields but for its length and its operand's address. */
/* clang-format off */
#define LOAD(r, mem, size)	.reg = r, .mem_size = mem, .reg_size = size, .load = true
#define LOAD_SIGN(r, mem, size)	LOAD(r, mem, size), .sign_extend = true
#define LOAD_HIGH(r)		LOAD(r, 1, 1), .high_byte = true
#define STORE(r, size)		.reg = r, .mem_size = size, .reg_size = size, .store = true
#define STORE_HIGH(r)		STORE(r, 1), .high_byte = true
#define STORE_IMM(value, size)	.mem_size = size, .store = true, .has_imm = true, .imm = value
#define ALU(op)			.kind = INSN_ALU, .alu = ALU_##op, .load = true
#define ALU_READ(op, r, size)	ALU(op), .reg = r, .mem_size = size, .reg_size = size
#define ALU_MEM(op, r, size)	ALU_READ(op, r, size), .store = true
#define ALU_REG(op, r, size)	ALU_READ(op, r, size), .reg_first = true
#define ALU_IMM_READ(op, value, size) ALU(op), .mem_size = size, .has_imm = true, .imm = value
#define ALU_IMM(op, value, size) ALU_IMM_READ(op, value, size), .store = true
#define XCHG(r, size) \
	.kind = INSN_XCHG, .load = true, .store = true, .reg = r, .mem_size = size, .reg_size = size
#define STRING(op, size) \
	.kind = INSN_##op, .load = INSN_##op != INSN_STOS, .store = INSN_##op != INSN_LODS, \
	.mem_size = size, .reg_size = size
#define LOCKED(...)		__VA_ARGS__, .lock = true
#define REP(...)		__VA_ARGS__, .rep = true

/* clang-format on */

#define ROW_GOOD(id, width, what, text) { text, start_##id, end_##id, width, { what } },
#define ROW_BAD(id, width, text)	{ text, start_##id, end_##id, width, {} },
static const struct encoding good[] = { GOOD(ROW_GOOD) };
static const struct encoding bad[] = { BAD(ROW_BAD) };
static const struct encoding undefined[] = { UNDEFINED(ROW_BAD) };

static void check_same(const struct encoding *e, const struct insn *is, const struct insn *want)
{
	struct insn same = *is;

	/* Length and address are looked at elsewhere; what these do not use does not count. */
	same.len = 0;
	same.mem = want->mem;
	if (want->has_imm)
		same.reg = want->reg;
	if (want->store && !want->load)
		same.reg_size = want->reg_size;
	CHECK_MSG(same.kind == want->kind && same.alu == want->alu, "%s: %d", e->text, same.kind);
	CHECK_MSG(same.mem_size == want->mem_size, "%s: %u", e->text, same.mem_size);
	CHECK_MSG(same.reg_size == want->reg_size, "%s: %u", e->text, same.reg_size);
	CHECK_MSG(same.reg == want->reg, "%s: %u", e->text, same.reg);
	CHECK_MSG(same.imm == want->imm, "%s: %#llx", e->text, same.imm);
	CHECK_MSG(same.load == want->load && same.store == want->store, "%s", e->text);
	CHECK_MSG(same.has_imm == want->has_imm, "%s", e->text);
	CHECK_MSG(same.reg_first == want->reg_first, "%s", e->text);
	CHECK_MSG(same.sign_extend == want->sign_extend, "%s", e->text);
	CHECK_MSG(same.high_byte == want->high_byte, "%s", e->text);
	CHECK_MSG(same.lock == want->lock && same.rep == want->rep, "%s", e->text);
}

TEST(forms)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct encoding *e = &good[i];
		unsigned int len = e->end - e->start;
		struct insn insn;
		int ret = insn_decode(e->start, len, e->bits, &insn);

		CHECK_MSG(!ret, "%s: %d", e->text, ret);
		CHECK_MSG(insn.len == len, "%s: %u of %u", e->text, insn.len, len);
		check_same(e, &insn, &e->insn);
	}
}

/* The copy ends where its bytes end, so that ASan sees a read beyond. */
static int decode_copy(const u8 *bytes, unsigned int len, unsigned int bits, struct insn *insn)
{
	u8 *copy = malloc(len ?: 1);
	int ret;

	memcpy(copy, bytes, len);
	ret = insn_decode(copy, len, bits, insn);
	free(copy);
	return ret;
}

TEST(cut_short)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct encoding *e = &good[i];
		struct insn insn;

		for (unsigned int len = 0; e->start + len < e->end; len++) {
			int ret = decode_copy(e->start, len, e->bits, &insn);

			CHECK_MSG(ret == -EAGAIN, "%s, %u bytes: %d", e->text, len, ret);
		}
	}
}

TEST(bytes_behind)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		const struct encoding *e = &good[i];
		unsigned int len = e->end - e->start;
		u8 bytes[2 * INSN_MAX];
		struct insn insn;

		memset(bytes, 0xc7, sizeof(bytes));
		memcpy(bytes, e->start, len);
		CHECK_MSG(!insn_decode(bytes, sizeof(bytes), e->bits, &insn), "%s", e->text);
		CHECK_MSG(insn.len == len, "%s: %u of %u", e->text, insn.len, len);
	}
}

TEST(refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct encoding *e = &bad[i];
		struct insn insn;
		int ret = decode_copy(e->start, e->end - e->start, e->bits, &insn);

		CHECK_MSG(ret == -EOPNOTSUPP, "%s: %d", e->text, ret);
	}
}

TEST(undefined)
{
	for (size_t i = 0; i < ARRAY_SIZE(undefined); i++) {
		const struct encoding *e = &undefined[i];
		struct insn insn;
		int ret = decode_copy(e->start, e->end - e->start, e->bits, &insn);

		CHECK_MSG(ret == -EILSEQ, "%s: %d", e->text, ret);
	}
}

TEST(load_result)
{
	const u64 old = 0x1122334455667788;
	struct insn byte = { LOAD(RAX, 1, 1) }, high = { LOAD_HIGH(RAX) },
		    word = { LOAD(RAX, 2, 2) };
	struct insn dword = { LOAD(RAX, 4, 4) }, qword = { LOAD(RAX, 8, 8) },
		    zero = { LOAD(RAX, 1, 8) };
	struct insn sign16 = { LOAD_SIGN(RAX, 1, 2) }, sign32 = { LOAD_SIGN(RAX, 2, 4) };
	struct insn sign64 = { LOAD_SIGN(RAX, 4, 8) };

	CHECK_EQ(insn_load_result(&byte, old, 0xffaa), 0x11223344556677aa);
	CHECK_EQ(insn_load_result(&high, old, 0xffaa), 0x112233445566aa88);
	CHECK_EQ(insn_load_result(&word, old, 0xffffaaaa), 0x112233445566aaaa);
	CHECK_EQ(insn_load_result(&dword, old, 0x1aaaaaaaa), 0xaaaaaaaa);
	CHECK_EQ(insn_load_result(&qword, old, 0xa123456789abcdef), 0xa123456789abcdef);
	CHECK_EQ(insn_load_result(&zero, old, 0xfff), 0xff);
	CHECK_EQ(insn_load_result(&sign16, old, 0x80), 0x112233445566ff80);
	CHECK_EQ(insn_load_result(&sign16, old, 0x7f), 0x112233445566007f);
	CHECK_EQ(insn_load_result(&sign32, old, 0x8000), 0xffff8000);
	CHECK_EQ(insn_load_result(&sign64, old, 0x80000000), 0xffffffff80000000);
}

TEST(operand)
{
	struct insn byte = { STORE(RAX, 1) }, high = { STORE_HIGH(RAX) }, qword = { STORE(RAX, 8) };
	struct insn imm = { STORE_IMM(0xfffffffffffffffe, 8) };

	CHECK_EQ(insn_operand(&byte, 0x1234), 0x34);
	CHECK_EQ(insn_operand(&high, 0x1234), 0x12);
	CHECK_EQ(insn_operand(&qword, 0x123456789abcdef0), 0x123456789abcdef0);
	CHECK_EQ(insn_operand(&imm, 5), 0xfffffffffffffffe);
}
