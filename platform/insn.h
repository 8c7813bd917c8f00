/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decoding the instruction that touched an MMIO address: MOV in all its forms,
 * arithmetic, logic, XCHG and string moves.  Pure; the bytes come from a
 * hostile guest.
 */
#ifndef VELLUM_PLATFORM_INSN_H
#define VELLUM_PLATFORM_INSN_H

#include "platform/alu.h"

#define INSN_MAX 15

enum insn_kind {
	INSN_MOV,  /* load or store; MOVZX, MOVSX, MOVSXD, MOVNTI */
	INSN_ALU,  /* @alu, of memory and a register or immediate */
	INSN_XCHG, /* memory and a register */
	/* Strings: no operand but those that RSI, RDI and RAX are. */
	INSN_MOVS,
	INSN_STOS,
	INSN_LODS,
};

/* In the order of their encoding, which is that of the VMCS's fields too. */
/* clang-format off */
enum insn_segment { INSN_ES, INSN_CS, INSN_SS, INSN_DS, INSN_FS, INSN_GS };

/* clang-format on */

#define INSN_NO_REG 0xff

/* Where the memory operand is: base + (index << scale) + disp in the segment. */
struct insn_address {
	u64 disp;
	u8 base, index;	       /* register numbers, or INSN_NO_REG */
	u8 scale;	       /* 0 to 3 */
	u8 bits;	       /* of the address: 16, 32, 64 */
	bool rip;	       /* @base is the address of the next instruction */
	enum insn_segment seg; /* strings: that of RSI; RDI's is always ES */
};

struct insn {
	enum insn_kind kind;
	enum alu_op alu;
	u8 len;		/* of the whole instruction */
	u8 mem_size;	/* bytes at the MMIO address: 1, 2, 4, 8 */
	u8 reg_size;	/* MOV loads: bytes of the register written: 1, 2, 4 (the rest: 0), 8 */
	u8 reg;		/* number of the register operand */
	bool high_byte; /* AH, CH, DH, BH: bits 15:8 of reg & 3 */
	bool load;	/* memory is read */
	bool store;	/* memory is written */
	bool has_imm;	/* @imm in place of the register */
	bool reg_first; /* ALU: the register is the first operand, and what is written */
	bool sign_extend;
	bool lock, rep;
	u64 imm;
	struct insn_address mem;
};

static inline bool insn_is_string(const struct insn *insn)
{
	return insn->kind >= INSN_MOVS;
}

/*
 * Decodes @bytes (of which @n are valid) for a code segment of @bits (16, 32,
 * 64).  0; -EAGAIN when the instruction is longer than @n; -EILSEQ when it is
 * one that no CPU executes (LOCK where there may be none): #UD; -EOPNOTSUPP
 * when it is none of the forms above.
 */
int insn_decode(const u8 *bytes, unsigned int n, unsigned int bits, struct insn *insn);

/* All bits of an address of @bits. */
u64 insn_address_mask(unsigned int bits);
/* The operand's offset in its segment; @rip is that of the next instruction. */
u64 insn_offset(const struct insn_address *mem, const u64 *regs, u64 rip);

/* A counter or index register after @by was added to it, @bits of it. */
u64 insn_advance(u64 old, u64 by, unsigned int bits);

/* What a register holds after the load of @data (mem_size bytes); @old is what it held. */
u64 insn_load_result(const struct insn *insn, u64 old, u64 data);
/* The operand that is not memory, given the register's value. */
u64 insn_operand(const struct insn *insn, u64 reg);

struct insn_result {
	u64 mem;    /* what is to be written there, if @store */
	u64 reg;    /* the register's new value, if insn_writes_reg() */
	u64 rflags; /* in: the old ones */
};

/*
 * The whole instruction, or one element of a string: @loaded is what was read
 * from memory, @reg what the register holds.
 */
void insn_compute(const struct insn *insn, u64 loaded, u64 reg, struct insn_result *result);
bool insn_writes_reg(const struct insn *insn);

#endif
