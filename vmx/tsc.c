// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's time-stamp counter: what it reads, how long its ticks are, and
 * who may move it (SDM 3B 17.17, 3C 25.3 on offset and multiplier).
 */
#include <linux/ktime.h>
#include <asm/tsc.h>

#include "vmx/vmx.h"

/* As KVM's: the ABI's numbers are signed. */
#define TSC_KHZ_MAX 0x7fffffffu
/* In this range of the host's frequency, in ppm, the guest has the host's own. */
#define TSC_TOLERANCE_PPM 250

bool tsc_can_scale(void)
{
	return vmx_caps.secondary_allowed & SECONDARY_EXEC_TSC_SCALING;
}

u64 tsc_guest_at(const struct vcpu *vcpu, u64 host)
{
	const struct vcpu_tsc *tsc = &vcpu->vmx->tsc;

	return tsc_scale(host, tsc->ratio) + tsc->offset;
}

u64 tsc_guest(const struct vcpu *vcpu)
{
	return tsc_guest_at(vcpu, rdtsc());
}

u32 tsc_guest_khz(const struct vcpu *vcpu)
{
	return vcpu->vmx->tsc.khz;
}

u64 tsc_ticks_to_ns(const struct vcpu *vcpu, u64 ticks)
{
	return ticks_to_ns(ticks, vcpu->vmx->tsc.khz);
}

/* An offset of L1's in the ticks of its L2; it may well be negative. */
static u64 scale_offset(s64 offset, u64 ratio)
{
	return offset < 0 ? -tsc_scale(-(u64)offset, ratio) : tsc_scale(offset, ratio);
}

/* Offset and ratio of the guest that runs: for L2, what L1 wants comes on top. */
static struct vcpu_tsc running(const struct vcpu_vmx *vmx)
{
	struct vcpu_tsc tsc = { .offset = vmx->tsc.offset, .ratio = vmx->tsc.ratio };

	if (vmx->l1.tsc_ratio) {
		tsc.offset = scale_offset(tsc.offset, vmx->l1.tsc_ratio);
		tsc.ratio = tsc_scale(tsc.ratio, vmx->l1.tsc_ratio);
	}
	tsc.offset += vmx->l1.tsc_offset;
	return tsc;
}

u64 tsc_running(const struct vcpu *vcpu)
{
	struct vcpu_tsc tsc = running(vcpu->vmx);

	return tsc_scale(rdtsc(), tsc.ratio) + tsc.offset;
}

void tsc_write_vmcs(struct vcpu *vcpu)
{
	struct vcpu_tsc tsc = running(vcpu->vmx);
	bool scaled = tsc.ratio != TSC_RATIO_ONE;

	vmwrite(TSC_OFFSET, tsc.offset);
	if (scaled)
		vmwrite(TSC_MULTIPLIER, tsc.ratio);
	if (tsc_can_scale())
		vmcs_set_secondary(vcpu->vmx, SECONDARY_EXEC_TSC_SCALING, scaled);
}

/* The ratio that makes @khz of the host's TSC; 0: this CPU cannot. */
static u64 ratio_for(u32 khz)
{
	u64 off = khz > tsc_khz ? khz - tsc_khz : tsc_khz - khz;

	/* What was measured to be the same is the same, and costs nothing. */
	if (off * 1000000 <= (u64)tsc_khz * TSC_TOLERANCE_PPM)
		return TSC_RATIO_ONE;
	return tsc_can_scale() ? tsc_ratio(khz, tsc_khz) : 0;
}

/* 0 is the host's own; of what an ioctl gave as unsigned long only the low half counts. */
static int check_khz(unsigned long arg, u32 *khz, u64 *ratio)
{
	*khz = (u32)arg ?: tsc_khz;
	*ratio = *khz < TSC_KHZ_MAX ? ratio_for(*khz) : 0;
	return *ratio ? 0 : -EINVAL;
}

/*
 * The vCPU's counter becomes @offset, which is also what the next one that
 * means the same counter gets.  vm->clock.lock held.
 */
static void note_write(struct vcpu *vcpu, u64 offset, u64 value, bool given)
{
	struct vcpu_tsc *tsc = &vcpu->vmx->tsc;

	tsc->offset = offset;
	vcpu->vm->clock.last_write = (struct tsc_write){
		.value = value,
		.ns = ktime_get_raw_ns(),
		.offset = offset,
		.khz = tsc->khz,
		.given = given,
	};
}

/* What the vCPU's counter has to be off by to show @value, or what the VM's others are off by. */
static u64 synchronised_offset(struct vcpu *vcpu, u64 value)
{
	const struct tsc_write *last = &vcpu->vm->clock.last_write;
	const struct vcpu_tsc *tsc = &vcpu->vmx->tsc;

	if (tsc_write_matches(last, value, ktime_get_raw_ns(), tsc->khz))
		return last->offset;
	return value - tsc_scale(rdtsc(), tsc->ratio);
}

void tsc_create(struct vcpu *vcpu)
{
	struct vm_clock *clock = &vcpu->vm->clock;
	struct vcpu_tsc *tsc = &vcpu->vmx->tsc;
	unsigned long flags;

	spin_lock_irqsave(&clock->lock, flags);
	tsc->khz = clock->khz;
	tsc->ratio = ratio_for(tsc->khz);
	tsc->offset = synchronised_offset(vcpu, 0);
	/* Who joins the others leaves what was written to them. */
	if (clock->last_write.khz != tsc->khz)
		note_write(vcpu, tsc->offset, 0, false);
	spin_unlock_irqrestore(&clock->lock, flags);
}

/* A deadline comes at another time, the vCPU's clock page is stale, and others' may be. */
static void tell_clock(struct vcpu *vcpu)
{
	apic_timer_tsc_moved(vcpu);
	vcpu_request(vcpu, VCPU_REQ_CLOCK);
	vm_clock_tsc_changed(vcpu->vm);
}

/* The guest moves its own counter, and no other.  Between load and put. */
static void move_guest(struct vcpu *vcpu, u64 by)
{
	struct vm_clock *clock = &vcpu->vm->clock;
	struct vcpu_tsc *tsc = &vcpu->vmx->tsc;
	unsigned long flags;

	spin_lock_irqsave(&clock->lock, flags);
	tsc->offset += by;
	tsc->adjust += by;
	tsc_write_vmcs(vcpu);
	spin_unlock_irqrestore(&clock->lock, flags);
	tell_clock(vcpu);
}

static void write_by_host(struct vcpu *vcpu, u64 value)
{
	struct vm_clock *clock = &vcpu->vm->clock;
	unsigned long flags;

	spin_lock_irqsave(&clock->lock, flags);
	note_write(vcpu, synchronised_offset(vcpu, value), value, true);
	tsc_write_vmcs(vcpu);
	spin_unlock_irqrestore(&clock->lock, flags);
	tell_clock(vcpu);
}

#define CPUID_7_EBX_TSC_ADJUST BIT(1)

static bool has_adjust(const struct vcpu *vcpu)
{
	return cpuid_entry(&vcpu->cpuid, 7, 0)->ebx & CPUID_7_EBX_TSC_ADJUST;
}

int tsc_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	*value = index == MSR_IA32_TSC ? tsc_guest(vcpu) : vcpu->vmx->tsc.adjust;
	return 0;
}

/*
 * SDM 3B 17.17.3: WRMSR to either moves both by the same.  To userspace they
 * are two numbers, which it restores one after the other.
 */
int tsc_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	struct vcpu_tsc *tsc = &vcpu->vmx->tsc;

	if (index == MSR_IA32_TSC_ADJUST && !host && !has_adjust(vcpu))
		return -EINVAL;
	if (index == MSR_IA32_TSC && host)
		write_by_host(vcpu, value);
	else if (index == MSR_IA32_TSC)
		move_guest(vcpu, value - tsc_guest(vcpu));
	else if (host)
		tsc->adjust = value;
	else
		move_guest(vcpu, value - tsc->adjust);
	return 0;
}

int vcpu_set_tsc_khz(struct vcpu *vcpu, unsigned long arg)
{
	struct vm_clock *clock = &vcpu->vm->clock;
	struct vcpu_tsc *tsc = &vcpu->vmx->tsc;
	unsigned long flags;
	u64 ratio;
	u32 khz;

	if (check_khz(arg, &khz, &ratio))
		return -EINVAL;
	vcpu_load(vcpu);
	spin_lock_irqsave(&clock->lock, flags);
	tsc->khz = khz;
	tsc->ratio = ratio;
	tsc_write_vmcs(vcpu);
	spin_unlock_irqrestore(&clock->lock, flags);
	tell_clock(vcpu);
	vcpu_put(vcpu);
	return 0;
}

int vcpu_get_tsc_khz(struct vcpu *vcpu)
{
	return check_tsc_unstable() ? -EIO : vcpu->vmx->tsc.khz;
}

u64 vcpu_get_tsc_offset(struct vcpu *vcpu)
{
	return vcpu->vmx->tsc.offset;
}

void vcpu_set_tsc_offset(struct vcpu *vcpu, u64 offset)
{
	struct vm_clock *clock = &vcpu->vm->clock;
	unsigned long flags;

	vcpu_load(vcpu);
	spin_lock_irqsave(&clock->lock, flags);
	note_write(vcpu, offset, offset + tsc_scale(rdtsc(), vcpu->vmx->tsc.ratio), true);
	tsc_write_vmcs(vcpu);
	spin_unlock_irqrestore(&clock->lock, flags);
	tell_clock(vcpu);
	vcpu_put(vcpu);
}

int vm_set_tsc_khz(struct vm *vm, unsigned long arg)
{
	u64 ratio;
	u32 khz;

	if (check_khz(arg, &khz, &ratio))
		return -EINVAL;
	WRITE_ONCE(vm->clock.khz, khz);
	return 0;
}
