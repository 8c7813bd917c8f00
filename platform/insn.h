/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decoding the instruction that touched an MMIO address: every MOV, MOVZX and
 * MOVSX form.  Pure; the bytes come from a hostile guest.
 */
#ifndef VELLUM_PLATFORM_INSN_H
#define VELLUM_PLATFORM_INSN_H

#include "types.h"

#define INSN_MAX 15

struct insn {
	u8 len;	     /* of the whole instruction */
	u8 mem_size; /* bytes at the MMIO address: 1, 2, 4, 8 */
	u8 reg_size; /* loads: bytes of the register that are written: 1, 2, 4 (the rest: 0), 8 */
	u8 reg;	     /* enum vcpu_reg of the register operand; loads and register stores */
	bool high_byte; /* AH, CH, DH, BH: bits 15:8 of reg & 3 */
	bool store;
	bool has_imm; /* a store of @imm */
	bool sign_extend;
	u64 imm;
};

/*
 * Decodes @bytes (of which @n are valid) for a code segment of @bits (16, 32,
 * 64).  0; -EAGAIN when the instruction is longer than @n; -EOPNOTSUPP when it
 * is none of the forms above.
 */
int insn_decode(const u8 *bytes, unsigned int n, unsigned int bits, struct insn *insn);

/* What a register holds after the load of @data (mem_size bytes); @old is what it held. */
u64 insn_load_result(const struct insn *insn, u64 old, u64 data);
/* What a store writes, given the register's value. */
u64 insn_store_value(const struct insn *insn, u64 reg);

#endif
