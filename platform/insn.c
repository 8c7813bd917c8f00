// SPDX-License-Identifier: GPL-2.0
/*
 * Decoding MOV, MOVZX and MOVSX with a memory operand (SDM 2A 2.1 for the
 * format, 2B for the instructions).  Pure and total: any bytes give an answer.
 *
 * The address is not computed: the CPU has told it already.  What is looked
 * for is the length, the register or immediate, and the widths.
 */
#include "platform/insn.h"

#define REX_W 8
#define REX_R 4

/* Where the decoder is, and what the prefixes said. */
struct cursor {
	const u8 *bytes;
	unsigned int n;	  /* valid bytes, at most INSN_MAX */
	unsigned int pos; /* of the next byte */
	unsigned int bits;
	u8 rex;	       /* 0: none */
	bool opsize;   /* 66 */
	bool addrsize; /* 67 */
	bool lock;     /* F0 */
};

/* The next byte; 0 and a position beyond the end when there is none. */
static u8 next_byte(struct cursor *c)
{
	unsigned int pos = c->pos++;

	return pos < c->n ? c->bytes[pos] : 0;
}

static bool is_legacy_prefix(u8 byte)
{
	switch (byte) {
	case 0x26: /* ES */
	case 0x2e: /* CS */
	case 0x36: /* SS */
	case 0x3e: /* DS */
	case 0x64: /* FS */
	case 0x65: /* GS */
	case 0x66:
	case 0x67:
	case 0xf0:
	case 0xf2:
	case 0xf3:
		return true;
	default:
		return false;
	}
}

/* Takes all prefixes; returns the first opcode byte.  A REX counts only right before it. */
static u8 take_prefixes(struct cursor *c)
{
	for (;;) {
		u8 byte = next_byte(c);

		if (is_legacy_prefix(byte)) {
			c->opsize |= byte == 0x66;
			c->addrsize |= byte == 0x67;
			c->lock |= byte == 0xf0;
			c->rex = 0;
		} else if (c->bits == 64 && (byte & 0xf0) == 0x40) {
			c->rex = byte;
		} else {
			return byte;
		}
		if (c->pos > c->n)
			return 0;
	}
}

/* Bytes of a word operand: 2, 4 or 8. */
static u8 operand_size(const struct cursor *c)
{
	if (c->rex & REX_W)
		return 8;
	return (c->bits == 16) != c->opsize ? 2 : 4;
}

static unsigned int address_bits(const struct cursor *c)
{
	if (!c->addrsize)
		return c->bits;
	return c->bits == 32 ? 16 : 32;
}

/* Bytes of displacement and SIB that follow ModRM (SDM 2A tables 2-1, 2-2, 2-3). */
static void skip_operand(struct cursor *c, u8 modrm)
{
	unsigned int mod = modrm >> 6, rm = modrm & 7;

	if (address_bits(c) == 16) {
		if (mod == 2 || (mod == 0 && rm == 6))
			c->pos += 2;
		else if (mod == 1)
			c->pos += 1;
		return;
	}
	if (rm == 4) {
		u8 sib = next_byte(c);

		rm = sib & 7; /* its base: 5 with mod 0 is a displacement alone */
	}
	if (mod == 2 || (mod == 0 && rm == 5))
		c->pos += 4;
	else if (mod == 1)
		c->pos += 1;
}

/* ModRM and what belongs to it.  False: the operand is a register. */
static bool take_modrm(struct cursor *c, struct insn *insn)
{
	u8 modrm = next_byte(c);

	if (c->pos > c->n)
		return true; /* the missing byte is reported at the end */
	insn->reg = (modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0);
	skip_operand(c, modrm);
	return modrm >> 6 != 3;
}

/* AH, CH, DH and BH are the byte registers 4 to 7 where there is no REX. */
static void byte_register(const struct cursor *c, struct insn *insn)
{
	if (c->rex || insn->reg < 4)
		return;
	insn->high_byte = true;
	insn->reg &= 3;
}

/* 88 to 8B. */
static bool decode_mov(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->store = !(opcode & 2);
	insn->mem_size = opcode & 1 ? operand_size(c) : 1;
	insn->reg_size = insn->mem_size;
	if (!take_modrm(c, insn))
		return false;
	if (insn->mem_size == 1)
		byte_register(c, insn);
	return true;
}

/* A0 to A3: an absolute address, and AL to RAX. */
static bool decode_moffs(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->store = opcode & 2;
	insn->mem_size = opcode & 1 ? operand_size(c) : 1;
	insn->reg_size = insn->mem_size;
	c->pos += address_bits(c) / 8;
	return true;
}

/* C6 /0 and C7 /0. */
static bool decode_mov_imm(struct cursor *c, u8 opcode, struct insn *insn)
{
	unsigned int i, size;

	insn->store = true;
	insn->has_imm = true;
	insn->mem_size = opcode & 1 ? operand_size(c) : 1;
	if (!take_modrm(c, insn) || (insn->reg & 7))
		return false;
	insn->reg = 0;

	/* Eight bytes are stored of a four-byte immediate, sign-extended. */
	size = min_t(unsigned int, insn->mem_size, 4);
	for (i = 0; i < size; i++)
		insn->imm |= (u64)next_byte(c) << (i * 8);
	if (insn->mem_size == 8)
		insn->imm = (s64)(s32)insn->imm;
	return true;
}

/* 0F B6, B7 (zero) and BE, BF (sign); MOVSXD's 63 is the same with four bytes. */
static bool decode_extend(struct cursor *c, u8 mem_size, bool sign, struct insn *insn)
{
	insn->sign_extend = sign;
	insn->reg_size = operand_size(c);
	insn->mem_size = min_t(u8, mem_size, insn->reg_size);
	return take_modrm(c, insn);
}

static bool decode_two_byte(struct cursor *c, struct insn *insn)
{
	u8 opcode = next_byte(c);

	switch (opcode) {
	case 0xb6:
	case 0xb7:
	case 0xbe:
	case 0xbf:
		return decode_extend(c, opcode & 1 ? 2 : 1, opcode & 8, insn);
	default:
		return c->pos > c->n;
	}
}

static bool decode_opcode(struct cursor *c, u8 opcode, struct insn *insn)
{
	switch (opcode) {
	case 0x0f:
		return decode_two_byte(c, insn);
	case 0x63: /* ARPL outside of 64-bit mode */
		return c->bits == 64 && decode_extend(c, 4, true, insn);
	case 0x88:
	case 0x89:
	case 0x8a:
	case 0x8b:
		return decode_mov(c, opcode, insn);
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3:
		return decode_moffs(c, opcode, insn);
	case 0xc6:
	case 0xc7:
		return decode_mov_imm(c, opcode, insn);
	default:
		return false;
	}
}

int insn_decode(const u8 *bytes, unsigned int n, unsigned int bits, struct insn *insn)
{
	struct cursor c = { .bytes = bytes, .n = min_t(unsigned int, n, INSN_MAX), .bits = bits };
	u8 opcode = take_prefixes(&c);

	*insn = (struct insn){};
	if (c.pos <= c.n && (c.lock || !decode_opcode(&c, opcode, insn)))
		return -EOPNOTSUPP;
	if (c.pos > INSN_MAX || (c.pos > c.n && n >= INSN_MAX))
		return -EOPNOTSUPP; /* longer than any instruction may be */
	if (c.pos > c.n)
		return -EAGAIN;
	insn->len = c.pos;
	return 0;
}

static u64 size_mask(u8 size)
{
	return size >= 8 ? ~0ull : (1ull << (size * 8)) - 1;
}

u64 insn_load_result(const struct insn *insn, u64 old, u64 data)
{
	u64 mask = size_mask(insn->reg_size);
	u64 value = data & size_mask(insn->mem_size);

	if (insn->sign_extend && (value >> (insn->mem_size * 8 - 1) & 1))
		value |= ~size_mask(insn->mem_size);
	if (insn->high_byte)
		return (old & ~0xff00ull) | (value & 0xff) << 8;
	/* Writing 32 bits clears the upper half, writing fewer keeps the rest. */
	if (insn->reg_size == 4)
		return value & mask;
	return (old & ~mask) | (value & mask);
}

u64 insn_store_value(const struct insn *insn, u64 reg)
{
	u64 value = insn->has_imm ? insn->imm : insn->high_byte ? reg >> 8 : reg;

	return value & size_mask(insn->mem_size);
}
