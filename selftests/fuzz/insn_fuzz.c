// SPDX-License-Identifier: GPL-2.0
/*
 * Any bytes into the instruction decoder: it answers, stays within them, and
 * what it says is consistent with itself.
 */
#include "platform/insn.h"

static void demand(bool truth)
{
	if (!truth)
		__builtin_trap();
}

static bool fits(u64 value, unsigned int size)
{
	return size == 8 || !(value >> (size * 8));
}

static void check_result(const struct insn *insn)
{
	struct insn_result result = { .rflags = 2 };

	insn_compute(insn, ~0ull, 0x0123456789abcdef, &result);
	demand(fits(result.mem, insn->mem_size) || insn->kind == INSN_MOVS || !insn->store);
	if (insn_writes_reg(insn) && insn->reg_size == 4)
		demand(!(result.reg >> 32));
	demand(insn->kind == INSN_ALU || result.rflags == 2);
}

static void check_decoded(const struct insn *insn, unsigned int n)
{
	static const u64 regs[16];

	demand(insn->len && insn->len <= n && insn->len <= INSN_MAX);
	demand(insn->mem_size == 1 || insn->mem_size == 2 || insn->mem_size == 4 ||
	       insn->mem_size == 8);
	demand(insn->load || insn->store);
	demand(insn->reg < 16);
	demand(!insn->high_byte || (insn->mem_size == 1 && insn->reg < 4));
	demand(!insn->has_imm || (!insn_writes_reg(insn) && fits(insn->imm, insn->mem_size)));
	demand(!insn->lock || (insn->load && insn->store && !insn_is_string(insn)));
	demand(!insn->rep || insn_is_string(insn));
	if (insn_writes_reg(insn))
		demand(insn->reg_size >= insn->mem_size && insn->reg_size <= 8);
	demand(insn->mem.seg <= INSN_GS);
	demand(insn->mem.base < 16 || insn->mem.base == INSN_NO_REG);
	demand(insn->mem.index < 16 || insn->mem.index == INSN_NO_REG);
	demand(!(insn_offset(&insn->mem, regs, 0) & ~insn_address_mask(insn->mem.bits)));
	check_result(insn);
}

static void fuzz_mode(const u8 *bytes, unsigned int n, unsigned int bits)
{
	struct insn insn, shorter, again;
	int ret = insn_decode(bytes, n, bits, &insn);

	demand(!ret || ret == -EAGAIN || ret == -EOPNOTSUPP || ret == -EILSEQ);
	demand(ret != -EAGAIN || n < INSN_MAX);
	if (ret)
		return;
	check_decoded(&insn, n);
	/* No more bytes than it said are needed, and no fewer. */
	demand(!insn_decode(bytes, insn.len, bits, &again));
	demand(again.len == insn.len && again.imm == insn.imm && again.reg == insn.reg &&
	       again.kind == insn.kind);
	demand(insn_decode(bytes, insn.len - 1, bits, &shorter) == -EAGAIN);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	unsigned int n = size < 64 ? size : 64;

	fuzz_mode(data, n, 16);
	fuzz_mode(data, n, 32);
	fuzz_mode(data, n, 64);
	return 0;
}
