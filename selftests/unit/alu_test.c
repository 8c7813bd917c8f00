// SPDX-License-Identifier: GPL-2.0
/*
 * Arithmetic and its flags against the CPU that this runs on: every operation,
 * every width, operands at the edges and at random.
 */
#include <asm/processor-flags.h>

#include "platform/alu.h"
#include "tap.h"

#define FLAGS \
	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF | \
	 X86_EFLAGS_OF)
#define RANDOM_PAIRS 2000

/* The real instruction: @a op @b with the flags of @rflags, which it changes. */
#define ON_CPU(name, type, suffix) \
	static u64 cpu_##name##_##suffix(u64 a, u64 b, u64 *rflags) \
	{ \
		type to = a, from = b; \
		__asm__ volatile("push %1; popf; " #name #suffix " %2, %0; pushf; pop %1" \
				 : "+q"(to), "+r"(*rflags) \
				 : "q"(from) \
				 : "cc", "memory"); \
		return to; \
	}
#define ON_CPU_SIZES(name) \
	ON_CPU(name, u8, b) ON_CPU(name, u16, w) ON_CPU(name, u32, l) ON_CPU(name, u64, q)
ON_CPU_SIZES(add)
ON_CPU_SIZES(or)
ON_CPU_SIZES(adc)
ON_CPU_SIZES(sbb)
ON_CPU_SIZES(and)
ON_CPU_SIZES(sub)
ON_CPU_SIZES(xor)
ON_CPU_SIZES(cmp)
ON_CPU_SIZES(test)

#define ROW(name) \
	{ \
		cpu_##name##_b, cpu_##name##_w, cpu_##name##_l, cpu_##name##_q \
	}
static u64 (*const on_cpu[][4])(u64 a, u64 b, u64 *rflags) = {
	ROW(add), ROW(or), ROW(adc), ROW(sbb), ROW(and), ROW(sub), ROW(xor), ROW(cmp), ROW(test),
};

static bool is_logic(enum alu_op op)
{
	return op == ALU_OR || op == ALU_AND || op == ALU_XOR || op == ALU_TEST;
}

static void compare(enum alu_op op, unsigned int log_size, u64 a, u64 b, u64 rflags)
{
	unsigned int size = 1 << log_size;
	u64 ours = rflags, cpus = rflags;
	u64 result = alu_exec(op, size, a, b, &ours);
	u64 real = on_cpu[op][log_size](a, b, &cpus);
	/* AF is undefined after logic. */
	u64 defined = is_logic(op) ? FLAGS & ~X86_EFLAGS_AF : FLAGS;

	if (alu_writes(op))
		CHECK_MSG(result == real, "op %u size %u: %#llx %#llx gives %#llx, not %#llx", op,
			  size, a, b, result, real);
	CHECK_MSG(!((ours ^ cpus) & defined), "op %u size %u: %#llx %#llx flags %#llx, not %#llx",
		  op, size, a, b, ours, cpus);
	CHECK_MSG(!((ours ^ rflags) & ~FLAGS), "op %u touches flags %#llx", op, ours ^ rflags);
}

static void compare_all(u64 a, u64 b)
{
	for (enum alu_op op = ALU_ADD; op <= ALU_TEST; op++)
		for (unsigned int log_size = 0; log_size < 4; log_size++) {
			compare(op, log_size, a, b, X86_EFLAGS_FIXED);
			compare(op, log_size, a, b, X86_EFLAGS_FIXED | X86_EFLAGS_CF);
		}
}

TEST(edges)
{
	static const u64 edge[] = {
		0,
		1,
		7,
		8,
		0xf,
		0x10,
		0x7f,
		0x80,
		0xff,
		0x100,
		0x7fff,
		0x8000,
		0xffff,
		0x10000,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x100000000,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xffffffffffffffff,
		0xfffffffffffffff0,
	};

	for (size_t i = 0; i < ARRAY_SIZE(edge); i++)
		for (size_t j = 0; j < ARRAY_SIZE(edge); j++)
			compare_all(edge[i], edge[j]);
}

TEST(random)
{
	u64 x = 20261120;

	for (unsigned int i = 0; i < RANDOM_PAIRS; i++) {
		u64 a = x = x * 6364136223846793005 + 1442695040888963407;
		u64 b = x = x * 6364136223846793005 + 1442695040888963407;

		compare_all(a >> (i & 31), b ^ b >> 32);
	}
}

TEST(every_flag_is_kept_or_set)
{
	u64 rflags = ~0ull;

	CHECK_EQ(alu_exec(ALU_XOR, 8, 5, 5, &rflags), 0);
	CHECK_EQ(rflags, ~(u64)FLAGS | X86_EFLAGS_ZF | X86_EFLAGS_PF);
}
