// SPDX-License-Identifier: GPL-2.0
/*
 * Machine-check banks and what is reported in them.  Pure.
 */
#include <asm/msr-index.h>

#include "platform/mce.h"

enum bank_reg { BANK_CTL, BANK_STATUS, BANK_ADDR, BANK_MISC };

/* IA32_MCi_STATUS (SDM 3B 16.3.2.2). */
#define STATUS_VAL  BIT_ULL(63)
#define STATUS_OVER BIT_ULL(62)
#define STATUS_UC   BIT_ULL(61)
#define STATUS_PCC  BIT_ULL(57)
#define STATUS_S    BIT_ULL(56)
#define STATUS_AR   BIT_ULL(55)

/* IA32_MCi_CTL2: the interrupt's enable, and its threshold. */
#define CTL2_CMCI_EN BIT_ULL(30)
#define CTL2_BITS    (CTL2_CMCI_EN | 0x7fff)

#define BANK_FIRST MSR_IA32_MC0_CTL
#define BANK_LAST  (BANK_FIRST + 4 * MCE_BANKS_MAX - 1)
#define CTL2_FIRST MSR_IA32_MC0_CTL2
#define CTL2_LAST  (CTL2_FIRST + MCE_BANKS_MAX - 1)

static unsigned int banks(const struct mce_model *model)
{
	return model->cap & MCE_CAP_BANKS;
}

void mce_reset(struct mce_model *model)
{
	*model = (struct mce_model){ .cap = MCE_BANKS_MAX };
}

int mce_setup(struct mce_model *model, u64 cap, u64 supported)
{
	unsigned int nr = cap & MCE_CAP_BANKS, i;

	if (!nr || nr > MCE_BANKS_MAX || (cap & ~(supported | MCE_CAP_BANKS | MCE_CAP_EXT_CNT)))
		return -EINVAL;
	model->cap = cap;
	if (cap & MCE_CAP_CTL_P)
		model->ctl = ~0ull;
	for (i = 0; i < nr; i++) {
		model->bank[i].reg[BANK_CTL] = ~0ull;
		if (cap & MCE_CAP_CMCI_P)
			model->bank[i].ctl2 = 0;
	}
	return 0;
}

bool mce_has_msr(u32 index)
{
	return index == MSR_IA32_MCG_CAP || index == MSR_IA32_MCG_STATUS ||
	       index == MSR_IA32_MCG_CTL || (index >= BANK_FIRST && index <= BANK_LAST) ||
	       (index >= CTL2_FIRST && index <= CTL2_LAST);
}

/* Where @index is kept; NULL where this model has no such MSR. */
static const u64 *kept(const struct mce_model *model, u32 index)
{
	u32 nr;

	switch (index) {
	case MSR_IA32_MCG_CAP:
		return &model->cap;
	case MSR_IA32_MCG_STATUS:
		return &model->status;
	case MSR_IA32_MCG_CTL:
		return &model->ctl;
	case BANK_FIRST ... BANK_LAST:
		nr = (index - BANK_FIRST) / 4;
		return nr < banks(model) ? &model->bank[nr].reg[(index - BANK_FIRST) % 4] : NULL;
	case CTL2_FIRST ... CTL2_LAST:
		nr = index - CTL2_FIRST;
		return nr < banks(model) ? &model->bank[nr].ctl2 : NULL;
	}
	return NULL;
}

/* Behind a bit of IA32_MCG_CAP; whoever restores a list may give back its zero. */
static bool is_offered(const struct mce_model *model, u32 index)
{
	if (index == MSR_IA32_MCG_CTL)
		return model->cap & MCE_CAP_CTL_P;
	if (index >= CTL2_FIRST && index <= CTL2_LAST)
		return model->cap & MCE_CAP_CMCI_P;
	return true;
}

/*
 * All or nothing for the CTL registers, but for bits that a kernel is known to
 * leave out: 10, and 0.  What records an error can be cleared by the guest and no
 * more (SDM 3B 16.3.2).
 */
static bool value_is_valid(u32 index, u64 value, bool host)
{
	if (index == MSR_IA32_MCG_CTL)
		return !value || value == ~0ull;
	if (index >= CTL2_FIRST && index <= CTL2_LAST)
		return !(value & ~CTL2_BITS);
	if (index >= BANK_FIRST && (index - BANK_FIRST) % 4 == BANK_CTL)
		return !value || (value | BIT_ULL(10) | BIT_ULL(0)) == ~0ull;
	return host || !value;
}

int mce_get_msr(const struct mce_model *model, u32 index, u64 *value)
{
	const u64 *where = kept(model, index);

	if (!where)
		return -EINVAL;
	*value = *where;
	return 0;
}

int mce_set_msr(struct mce_model *model, u32 index, u64 value, bool host)
{
	u64 *where = (u64 *)kept(model, index);

	if (!where)
		return -EINVAL;
	if (index == MSR_IA32_MCG_CAP)
		return host && value == *where ? 0 : -EINVAL;
	if (!is_offered(model, index))
		return host && !value ? 0 : -EINVAL;
	if (!value_is_valid(index, value, host))
		return -EINVAL;
	*where = value;
	return 0;
}

/* Uncorrected, no action required: told by the interrupt for corrected errors. */
static bool is_ucna(u64 status)
{
	return (status & STATUS_UC) && !(status & (STATUS_PCC | STATUS_S | STATUS_AR));
}

static void record(struct mce_bank *bank, const struct kvm_x86_mce *error)
{
	u64 over = bank->reg[BANK_STATUS] & STATUS_VAL ? STATUS_OVER : 0;

	bank->reg[BANK_STATUS] = error->status | over;
	bank->reg[BANK_ADDR] = error->addr;
	bank->reg[BANK_MISC] = error->misc;
}

static int report_ucna(struct mce_model *model, struct mce_bank *bank,
		       const struct kvm_x86_mce *error)
{
	bool told = (model->cap & MCE_CAP_CMCI_P) && (bank->ctl2 & CTL2_CMCI_EN);

	record(bank, error);
	model->status = error->mcg_status;
	return told ? MCE_INTERRUPT : MCE_SILENT;
}

static int report_uncorrected(struct mce_model *model, struct mce_bank *bank,
			      const struct kvm_x86_mce *error, bool enabled)
{
	/* Reporting that is turned off loses the error (SDM 3B 16.3.1.3, 16.3.2.1). */
	if (((model->cap & MCE_CAP_CTL_P) && model->ctl != ~0ull) || bank->reg[BANK_CTL] != ~0ull)
		return MCE_SILENT;
	if ((model->status & MCE_STATUS_MCIP) || !enabled)
		return MCE_SHUTDOWN;
	record(bank, error);
	model->status = error->mcg_status;
	return MCE_EXCEPTION;
}

int mce_report(struct mce_model *model, const struct kvm_x86_mce *error, bool enabled)
{
	struct mce_bank *bank;

	if (error->bank >= banks(model) || !(error->status & STATUS_VAL))
		return -EINVAL;
	bank = &model->bank[error->bank];
	if (is_ucna(error->status))
		return report_ucna(model, bank, error);
	if (error->status & STATUS_UC)
		return report_uncorrected(model, bank, error, enabled);
	/* A corrected error does not take an uncorrected one's place (SDM 3B 16.3.2.2.1). */
	if ((bank->reg[BANK_STATUS] & STATUS_VAL) && (bank->reg[BANK_STATUS] & STATUS_UC))
		bank->reg[BANK_STATUS] |= STATUS_OVER;
	else
		record(bank, error);
	return MCE_SILENT;
}
