// SPDX-License-Identifier: GPL-2.0
/*
 * Sums, differences and logic of operands in memory that is none.  Carries are
 * computed bit by bit for all widths at once: the carry out of a bit is the
 * majority of its operands and the carry into it.
 */
#include <asm/processor-flags.h>

#include "platform/alu.h"

#define ALU_FLAGS \
	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF | \
	 X86_EFLAGS_OF)

/* PF: an even number of ones in the low byte. */
static bool even_ones(u8 byte)
{
	byte ^= byte >> 4;
	byte ^= byte >> 2;
	byte ^= byte >> 1;
	return !(byte & 1);
}

u64 alu_exec(enum alu_op op, unsigned int size, u64 a, u64 b, u64 *rflags)
{
	unsigned int top = size * 8 - 1;
	u64 mask = ~0ull >> (63 - top);
	u64 in = *rflags & X86_EFLAGS_CF ? 1 : 0;
	u64 result, carry = 0, flags = 0; /* bit n of @carry: out of bit n */

	switch (op) {
	case ALU_ADD:
	case ALU_ADC:
		result = a + b + (op == ALU_ADC ? in : 0);
		carry = (a & b) | ((a | b) & ~result);
		break;
	case ALU_SUB:
	case ALU_CMP:
	case ALU_SBB:
		result = a - b - (op == ALU_SBB ? in : 0);
		carry = (~a & b) | ((~a | b) & result);
		break;
	case ALU_OR:
		result = a | b;
		break;
	case ALU_XOR:
		result = a ^ b;
		break;
	default: /* AND, TEST */
		result = a & b;
	}

	result &= mask;
	if (carry >> top & 1)
		flags |= X86_EFLAGS_CF;
	if (carry >> 3 & 1)
		flags |= X86_EFLAGS_AF;
	/* Overflow: the carries into and out of the sign differ. */
	if ((carry >> top ^ carry >> (top - 1)) & 1)
		flags |= X86_EFLAGS_OF;
	if (even_ones(result))
		flags |= X86_EFLAGS_PF;
	if (!result)
		flags |= X86_EFLAGS_ZF;
	if (result >> top & 1)
		flags |= X86_EFLAGS_SF;
	*rflags = (*rflags & ~(u64)ALU_FLAGS) | flags;
	return result;
}
