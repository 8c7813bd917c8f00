// SPDX-License-Identifier: GPL-2.0
/*
 * Decoding instructions with a memory operand (SDM 2A 2.1 for the format, 2D
 * appendix A for the opcodes).  Pure and total: any bytes give an answer.
 */
#include "platform/insn.h"

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

#define RBX 3
#define RBP 5
#define RSI 6
#define RDI 7

/* Where the decoder is, and what the prefixes said. */
struct cursor {
	const u8 *bytes;
	unsigned int n;	  /* valid bytes, at most INSN_MAX */
	unsigned int pos; /* of the next byte */
	unsigned int bits;
	u8 rex;	       /* 0: none */
	u8 segment;    /* the override's prefix byte; 0: none */
	bool opsize;   /* 66 */
	bool addrsize; /* 67 */
	bool lock;     /* F0 */
	bool rep;      /* F2 or F3 */
};

/* The next byte; 0 and a position beyond the end when there is none. */
static u8 next_byte(struct cursor *c)
{
	unsigned int pos = c->pos++;

	return pos < c->n ? c->bytes[pos] : 0;
}

/* The next @size bytes, the lowest first. */
static u64 next_number(struct cursor *c, unsigned int size)
{
	u64 value = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		value |= (u64)next_byte(c) << (i * 8);
	return value;
}

static u64 sign_extended(u64 value, unsigned int size)
{
	unsigned int shift = 64 - size * 8;

	return (u64)((s64)(value << shift) >> shift);
}

/* False: @byte is no prefix but REX, or an opcode. */
static bool take_legacy_prefix(struct cursor *c, u8 byte)
{
	switch (byte) {
	case 0x26: /* ES, CS, SS, DS: void in 64-bit mode */
	case 0x2e:
	case 0x36:
	case 0x3e:
		if (c->bits != 64)
			c->segment = byte;
		return true;
	case 0x64: /* FS, GS */
	case 0x65:
		c->segment = byte;
		return true;
	case 0x66:
		c->opsize = true;
		return true;
	case 0x67:
		c->addrsize = true;
		return true;
	case 0xf0:
		c->lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		c->rep = true;
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

		if (take_legacy_prefix(c, byte))
			c->rex = 0;
		else if (c->bits == 64 && (byte & 0xf0) == 0x40)
			c->rex = byte;
		else
			return byte;
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

/* Of an opcode whose lowest bit tells bytes from words. */
static u8 size_by_opcode(const struct cursor *c, u8 opcode)
{
	return opcode & 1 ? operand_size(c) : 1;
}

static unsigned int address_bits(const struct cursor *c)
{
	if (!c->addrsize)
		return c->bits;
	return c->bits == 32 ? 16 : 32;
}

static void set_segment(const struct cursor *c, struct insn *insn, enum insn_segment by_default)
{
	switch (c->segment) {
	case 0:
		insn->mem.seg = by_default;
		break;
	case 0x64:
		insn->mem.seg = INSN_FS;
		break;
	case 0x65:
		insn->mem.seg = INSN_GS;
		break;
	default:
		insn->mem.seg = c->segment >> 3 & 3;
	}
}

/* SDM 2A table 2-1. */
static void take_address_16(struct cursor *c, struct insn *insn, u8 modrm)
{
	static const u8 base[] = { RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX };
	static const u8 index[] = { RSI, RDI, RSI, RDI };
	unsigned int mod = modrm >> 6, rm = modrm & 7;

	insn->mem.base = base[rm];
	if (rm < 4)
		insn->mem.index = index[rm];
	if (mod == 0 && rm == 6)
		insn->mem.base = INSN_NO_REG;
	if (mod == 2 || (mod == 0 && rm == 6))
		insn->mem.disp = next_number(c, 2);
	else if (mod == 1)
		insn->mem.disp = sign_extended(next_byte(c), 1);
	set_segment(c, insn, insn->mem.base == RBP ? INSN_SS : INSN_DS);
}

/* The base, if it is one: 5 without a displacement of its own is none. */
static u8 base_register(const struct cursor *c, u8 modrm, u8 field)
{
	if ((modrm >> 6) == 0 && field == 5)
		return INSN_NO_REG;
	return field | (c->rex & REX_B ? 8 : 0);
}

static void take_sib(struct cursor *c, struct insn *insn, u8 modrm)
{
	u8 sib = next_byte(c);
	u8 index = (sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0);

	if (index != 4)
		insn->mem.index = index;
	insn->mem.scale = sib >> 6;
	insn->mem.base = base_register(c, modrm, sib & 7);
}

/* SDM 2A tables 2-2 and 2-3, and 2.2.1.6 for addresses relative to RIP. */
static void take_address_32(struct cursor *c, struct insn *insn, u8 modrm)
{
	unsigned int mod = modrm >> 6;
	struct insn_address *mem = &insn->mem;

	if ((modrm & 7) == 4) {
		take_sib(c, insn, modrm);
	} else {
		mem->base = base_register(c, modrm, modrm & 7);
		mem->rip = c->bits == 64 && mem->base == INSN_NO_REG;
	}
	if (mod == 2 || (mod == 0 && mem->base == INSN_NO_REG))
		mem->disp = sign_extended(next_number(c, 4), 4);
	else if (mod == 1)
		mem->disp = sign_extended(next_byte(c), 1);
	set_segment(c, insn, mem->base == 4 || mem->base == RBP ? INSN_SS : INSN_DS);
}

/* ModRM and what belongs to it.  False: the operand is a register. */
static bool take_modrm(struct cursor *c, struct insn *insn)
{
	u8 modrm = next_byte(c);

	if (c->pos > c->n)
		return true; /* the missing byte is reported at the end */
	insn->reg = (modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0);
	if (modrm >> 6 == 3)
		return false;
	if (insn->mem.bits == 16)
		take_address_16(c, insn, modrm);
	else
		take_address_32(c, insn, modrm);
	return true;
}

/* ModRM where the register operand has the memory's width. */
static bool take_operands(struct cursor *c, struct insn *insn, u8 size)
{
	insn->mem_size = size;
	insn->reg_size = size;
	if (!take_modrm(c, insn))
		return false;
	/* AH, CH, DH and BH are the byte registers 4 to 7 where there is no REX. */
	if (size == 1 && !c->rex && insn->reg >= 4) {
		insn->high_byte = true;
		insn->reg &= 3;
	}
	return true;
}

/* The same where the register field is part of the opcode. */
static bool take_group(struct cursor *c, struct insn *insn, u8 size)
{
	insn->mem_size = size;
	insn->has_imm = true;
	if (!take_modrm(c, insn))
		return false;
	insn->reg &= 7;
	return true;
}

/* Eight bytes have an immediate of four, sign-extended. */
static void take_imm(struct cursor *c, struct insn *insn, unsigned int size)
{
	insn->imm = sign_extended(next_number(c, size), size);
	insn->imm &= ~0ull >> (64 - insn->mem_size * 8);
}

static void take_full_imm(struct cursor *c, struct insn *insn)
{
	take_imm(c, insn, min_t(unsigned int, insn->mem_size, 4));
}

/* 88 to 8B. */
static bool decode_mov(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->load = opcode & 2;
	insn->store = !insn->load;
	return take_operands(c, insn, size_by_opcode(c, opcode));
}

/* A0 to A3: an absolute address, and AL to RAX. */
static bool decode_moffs(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->store = opcode & 2;
	insn->load = !insn->store;
	insn->mem_size = size_by_opcode(c, opcode);
	insn->reg_size = insn->mem_size;
	insn->mem.disp = next_number(c, insn->mem.bits / 8);
	set_segment(c, insn, INSN_DS);
	return true;
}

/* C6 /0 and C7 /0. */
static bool decode_mov_imm(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->store = true;
	if (!take_group(c, insn, size_by_opcode(c, opcode)) || insn->reg)
		return false;
	take_full_imm(c, insn);
	return true;
}

/* 0F B6, B7 (zero) and BE, BF (sign); MOVSXD's 63 is the same with four bytes. */
static bool decode_extend(struct cursor *c, u8 mem_size, bool sign, struct insn *insn)
{
	insn->load = true;
	insn->sign_extend = sign;
	insn->reg_size = operand_size(c);
	insn->mem_size = min_t(u8, mem_size, insn->reg_size);
	return take_modrm(c, insn);
}

/* 00 to 3B: the operation in bits 5:3, and in bit 1 which operand is written. */
static bool decode_alu(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->kind = INSN_ALU;
	insn->alu = opcode >> 3;
	insn->load = true;
	insn->reg_first = opcode & 2;
	insn->store = !insn->reg_first && alu_writes(insn->alu);
	return take_operands(c, insn, size_by_opcode(c, opcode));
}

/* 80, 81 and 83, which sign-extends a byte. */
static bool decode_alu_imm(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->kind = INSN_ALU;
	insn->load = true;
	if (!take_group(c, insn, size_by_opcode(c, opcode)))
		return false;
	insn->alu = insn->reg;
	insn->store = alu_writes(insn->alu);
	if (opcode == 0x83)
		take_imm(c, insn, 1);
	else
		take_full_imm(c, insn);
	return true;
}

/* 84 and 85. */
static bool decode_test(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->kind = INSN_ALU;
	insn->alu = ALU_TEST;
	insn->load = true;
	return take_operands(c, insn, size_by_opcode(c, opcode));
}

/* F6 and F7, /0 and its alias /1. */
static bool decode_test_imm(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->kind = INSN_ALU;
	insn->alu = ALU_TEST;
	insn->load = true;
	if (!take_group(c, insn, size_by_opcode(c, opcode)) || insn->reg > 1)
		return false;
	take_full_imm(c, insn);
	return true;
}

/* 86 and 87. */
static bool decode_xchg(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->kind = INSN_XCHG;
	insn->load = true;
	insn->store = true;
	return take_operands(c, insn, size_by_opcode(c, opcode));
}

/* A4, A5: MOVS; AA, AB: STOS; AC, AD: LODS. */
static bool decode_string(struct cursor *c, u8 opcode, struct insn *insn)
{
	insn->kind = opcode < 0xa6 ? INSN_MOVS : opcode < 0xac ? INSN_STOS : INSN_LODS;
	insn->load = insn->kind != INSN_STOS;
	insn->store = insn->kind != INSN_LODS;
	insn->rep = c->rep;
	insn->mem_size = size_by_opcode(c, opcode);
	insn->reg_size = insn->mem_size;
	set_segment(c, insn, INSN_DS);
	return true;
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
	case 0xc3: /* MOVNTI; with these prefixes it is nothing */
		insn->store = true;
		return !c->opsize && !c->rep && take_operands(c, insn, operand_size(c));
	default:
		return c->pos > c->n;
	}
}

static bool decode_opcode(struct cursor *c, u8 opcode, struct insn *insn)
{
	if (opcode < 0x40 && (opcode & 7) < 4)
		return decode_alu(c, opcode, insn);
	switch (opcode) {
	case 0x0f:
		return decode_two_byte(c, insn);
	case 0x63: /* ARPL outside of 64-bit mode */
		return c->bits == 64 && decode_extend(c, 4, true, insn);
	case 0x80:
	case 0x81:
	case 0x83:
		return decode_alu_imm(c, opcode, insn);
	case 0x84:
	case 0x85:
		return decode_test(c, opcode, insn);
	case 0x86:
	case 0x87:
		return decode_xchg(c, opcode, insn);
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
	case 0xa4:
	case 0xa5:
	case 0xaa:
	case 0xab:
	case 0xac:
	case 0xad:
		return decode_string(c, opcode, insn);
	case 0xc6:
	case 0xc7:
		return decode_mov_imm(c, opcode, insn);
	case 0xf6:
	case 0xf7:
		return decode_test_imm(c, opcode, insn);
	default:
		return false;
	}
}

/* LOCK: only before what reads memory and writes it (SDM 2A, LOCK). */
static bool lock_is_legal(const struct insn *insn)
{
	return insn->load && insn->store && !insn_is_string(insn);
}

int insn_decode(const u8 *bytes, unsigned int n, unsigned int bits, struct insn *insn)
{
	struct cursor c = { .bytes = bytes, .n = min_t(unsigned int, n, INSN_MAX), .bits = bits };
	u8 opcode = take_prefixes(&c);

	*insn = (struct insn){
		.lock = c.lock,
		.mem = { .base = INSN_NO_REG, .index = INSN_NO_REG, .bits = address_bits(&c) },
	};
	if (c.pos <= c.n && !decode_opcode(&c, opcode, insn))
		return -EOPNOTSUPP;
	if (c.pos > INSN_MAX || (c.pos > c.n && n >= INSN_MAX))
		return -EOPNOTSUPP; /* longer than any instruction may be */
	if (c.pos > c.n)
		return -EAGAIN;
	if (c.lock && !lock_is_legal(insn))
		return -EILSEQ;
	insn->len = c.pos;
	return 0;
}
