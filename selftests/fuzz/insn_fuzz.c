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

static void check_decoded(const struct insn *insn, unsigned int n)
{
	demand(insn->len && insn->len <= n && insn->len <= INSN_MAX);
	demand(insn->mem_size == 1 || insn->mem_size == 2 || insn->mem_size == 4 ||
	       insn->mem_size == 8);
	demand(insn->reg < 16);
	demand(!insn->high_byte || (insn->mem_size == 1 && insn->reg < 4));
	demand(!insn->has_imm || insn->store);
	if (insn->store) {
		demand(!insn->sign_extend);
		demand(insn->mem_size == 8 ||
		       !(insn_store_value(insn, ~0ull) >> (insn->mem_size * 8)));
	} else {
		demand(insn->reg_size >= insn->mem_size && insn->reg_size <= 8);
		demand(insn->reg_size != 4 || !(insn_load_result(insn, ~0ull, ~0ull) >> 32));
	}
}

static void fuzz_mode(const u8 *bytes, unsigned int n, unsigned int bits)
{
	struct insn insn, shorter, again;
	int ret = insn_decode(bytes, n, bits, &insn);

	demand(!ret || ret == -EAGAIN || ret == -EOPNOTSUPP);
	demand(ret != -EAGAIN || n < INSN_MAX);
	if (ret)
		return;
	check_decoded(&insn, n);
	/* No more bytes than it said are needed, and no fewer. */
	demand(!insn_decode(bytes, insn.len, bits, &again));
	demand(again.len == insn.len && again.imm == insn.imm && again.reg == insn.reg);
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
