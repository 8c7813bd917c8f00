/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arithmetic and logic as the CPU does them, with their flags (SDM 1 3.4.3.1).
 * Pure.
 */
#ifndef VELLUM_PLATFORM_ALU_H
#define VELLUM_PLATFORM_ALU_H

#include "types.h"

/* The first eight in the order of their encoding (SDM 2D table A-6, group 1). */
/* clang-format off */
enum alu_op {
	ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP,
	ALU_TEST
};

/* clang-format on */

/* CMP and TEST write flags alone. */
static inline bool alu_writes(enum alu_op op)
{
	return op < ALU_CMP;
}

/*
 * @a op @b on operands of @size bytes (1, 2, 4, 8), whatever stands above them;
 * the result within @size.  CF, PF, AF, ZF, SF and OF of @rflags are set; AF,
 * which is undefined after logic, is cleared there.
 */
u64 alu_exec(enum alu_op op, unsigned int size, u64 a, u64 b, u64 *rflags);

#endif
