/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory operands of instructions that are carried out for the guest, and what
 * is kept of an instruction while userspace answers its accesses.
 */
#ifndef VELLUM_VMX_OPERAND_H
#define VELLUM_VMX_OPERAND_H

#include "platform/insn.h"

/* An operand before translation. */
struct operand {
	enum insn_segment seg;
	u64 offset; /* in the segment */
	u32 size;   /* bytes, at most a page */
	bool write;
};

/* The same after it: one piece for each page. */
struct span {
	gva_t gva;
	u32 nr; /* pieces: 0 to 2 */
	struct piece {
		gpa_t gpa;
		u32 len;
	} piece[2];
};

struct code {
	u8 bytes[INSN_MAX];
	u8 n;
};

/* One instruction, or one element of a string instruction, on its way. */
struct emulation {
	struct insn insn;
	struct code code;
	u64 rip;
	struct span read, write; /* the same for what reads and writes its operand */
	bool writing;		 /* what is under way: reading or writing */
	bool committed;		 /* registers hold the result; what is left are writes */
	u32 at, done;		 /* the piece under way, and the bytes before it */
	u64 data;		 /* read, or to be written */
	struct insn_result result;
};

#endif
