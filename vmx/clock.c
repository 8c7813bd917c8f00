// SPDX-License-Identifier: GPL-2.0
/*
 * kvmclock: a VM's time in nanoseconds, and the pages by which each vCPU reads
 * it from its TSC (MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK).
 *
 * While the host counts its own time by the TSC the VM's clock is one line in
 * it, for all vCPUs; the line is moved by KVM_SET_CLOCK and by nothing else, so
 * time never jumps.  Where the host does not trust its TSC each page is a sample
 * of the host's clock, taken anew whenever the vCPU comes to another CPU.
 */
#include <linux/clocksource.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/notifier.h>
#include <linux/pvclock_gtod.h>
#include <linux/seqlock.h>
#include <linux/timekeeper_internal.h>
#include <uapi/asm/kvm_para.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>

#include "vmx/vmx.h"

/* Who has to hear when the host changes its clocksource. Interrupts off. */
static DEFINE_SPINLOCK(vms_lock);
static LIST_HEAD(vms);

/* What the host counts its time by; written under the timekeeper's lock. */
static struct {
	seqcount_t seq;
	bool by_tsc;
	u8 source;  /* of system_time_snapshot.cs_was_changed_seq: to which by_tsc belongs */
	s64 asleep; /* nanoseconds in which the TSC may have stopped */
} host_clock = { .seq = SEQCNT_ZERO(host_clock.seq) };

/* One moment. */
struct moment {
	u64 tsc;  /* the host's */
	u64 ns;	  /* since boot, by the host's oscillator alone, with the time asleep */
	u64 real; /* nanoseconds since 1970 */
	s64 asleep;
	bool exact; /* all were read as one */
};

static struct moment moment_now(void)
{
	struct system_time_snapshot now;
	struct moment m;
	unsigned int seq;
	u8 source;

	ktime_get_snapshot(&now);
	do {
		seq = read_seqcount_begin(&host_clock.seq);
		m.exact = host_clock.by_tsc;
		m.asleep = host_clock.asleep;
		source = host_clock.source;
	} while (read_seqcount_retry(&host_clock.seq, seq));
	m.exact &= source == now.cs_was_changed_seq;
	m.tsc = m.exact ? now.cycles : rdtsc();
	m.ns = ktime_to_ns(now.raw) + m.asleep;
	m.real = ktime_to_ns(now.real);
	return m;
}

/* The clock at @now.  vm->clock.lock held, as for all that follow up to the ioctls. */
static u64 clock_at(const struct vm_clock *clock, const struct moment *now)
{
	if (clock->exact && clock->asleep == now->asleep)
		return clock_line_at(&clock->line, now->tsc);
	return now->ns + clock->offset;
}

static const struct vcpu *first_vcpu(const struct vm *vm)
{
	/* Pairs with its publication. */
	return smp_load_acquire(&vm->nr_vcpus) ? vm->vcpus[0] : NULL;
}

/* The clock shows @ns at @now and goes on from there. */
static void clock_start(struct vm *vm, const struct moment *now, u64 ns)
{
	const struct vcpu *first = first_vcpu(vm);
	struct vm_clock *clock = &vm->clock;

	clock->exact = now->exact;
	clock->asleep = now->asleep;
	clock->offset = ns - now->ns;
	clock->line = (struct clock_line){
		.tsc = now->tsc,
		.ns = ns,
		.ratio = first ? first->vmx->tsc.ratio : TSC_RATIO_ONE,
		.rate = clock_rate(first ? first->vmx->tsc.khz : tsc_khz),
	};
}

/* Every vCPU reads the same from its TSC at the same time. */
static bool tscs_agree(const struct vm *vm)
{
	unsigned int i, n = smp_load_acquire(&vm->nr_vcpus); /* pairs with its publication */
	const struct vcpu_tsc *tsc, *first;

	for (i = 1; i < n; i++) {
		tsc = &vm->vcpus[i]->vmx->tsc;
		first = &vm->vcpus[0]->vmx->tsc;
		if (tsc->offset != first->offset || tsc->khz != first->khz ||
		    tsc->ratio != first->ratio)
			return false;
	}
	return true;
}

/* The line was drawn for TSCs of this frequency. */
static bool line_fits(const struct vm *vm)
{
	const struct clock_line *line = &vm->clock.line;
	const struct vcpu *first = first_vcpu(vm);
	struct clock_rate rate = clock_rate(first ? first->vmx->tsc.khz : tsc_khz);

	return line->ratio == (first ? first->vmx->tsc.ratio : TSC_RATIO_ONE) &&
	       line->rate.mul == rate.mul && line->rate.shift == rate.shift;
}

/*
 * After a change of the host's clock or of a vCPU's TSC: where the line cannot
 * stay a new one continues it.  Are the pages of all vCPUs to be written anew?
 */
static bool clock_settle(struct vm *vm)
{
	struct vm_clock *clock = &vm->clock;
	struct moment now = moment_now();
	bool was_stable = clock->stable, moved;

	moved = clock->exact != now.exact || clock->asleep != now.asleep || !line_fits(vm);
	if (moved)
		clock_start(vm, &now, clock_at(clock, &now));
	clock->stable = clock->exact && tscs_agree(vm);
	return moved || clock->stable != was_stable;
}

/* @source of the host's time: see host_clock.  In the timekeeper's notifier: no lock of ours. */
static bool host_clock_set(bool by_tsc, u8 source, s64 asleep)
{
	bool changed = by_tsc != host_clock.by_tsc || source != host_clock.source ||
		       asleep != host_clock.asleep;

	if (!changed)
		return false;
	write_seqcount_begin(&host_clock.seq);
	host_clock.by_tsc = by_tsc;
	host_clock.source = source;
	host_clock.asleep = asleep;
	write_seqcount_end(&host_clock.seq);
	return true;
}

/* All vCPUs of all VMs, interrupts off. */
static void host_clock_changed(struct irq_work *work)
{
	unsigned long flags;
	struct vm *vm;
	unsigned int i;

	spin_lock_irqsave(&vms_lock, flags);
	list_for_each_entry(vm, &vms, clock.vms) {
		spin_lock(&vm->clock.lock);
		clock_settle(vm);
		spin_unlock(&vm->clock.lock);
		for (i = 0; i < smp_load_acquire(&vm->nr_vcpus); i++) { /* see its publication */
			vcpu_request(vm->vcpus[i], VCPU_REQ_CLOCK);
			vcpu_kick(vm->vcpus[i]);
		}
	}
	spin_unlock_irqrestore(&vms_lock, flags);
}

static DEFINE_IRQ_WORK(host_clock_work, host_clock_changed);

static int timekeeper_updated(struct notifier_block *nb, unsigned long stepped, void *data)
{
	const struct timekeeper *tk = data;

	if (host_clock_set(tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC,
			   tk->cs_was_changed_seq, ktime_to_ns(tk->offs_boot)))
		irq_work_queue(&host_clock_work);
	return 0;
}

static struct notifier_block timekeeper_notifier = { .notifier_call = timekeeper_updated };

int clock_init(void)
{
	return pvclock_gtod_register_notifier(&timekeeper_notifier);
}

void clock_exit(void)
{
	pvclock_gtod_unregister_notifier(&timekeeper_notifier);
	irq_work_sync(&host_clock_work);
}

void vm_clock_create(struct vm *vm)
{
	struct vm_clock *clock = &vm->clock;
	struct moment now = moment_now();
	unsigned long flags;

	spin_lock_init(&clock->lock);
	clock->khz = tsc_khz;
	clock_start(vm, &now, 0);
	clock->stable = clock->exact;
	spin_lock_irqsave(&vms_lock, flags);
	list_add(&clock->vms, &vms);
	spin_unlock_irqrestore(&vms_lock, flags);
}

void vm_clock_destroy(struct vm *vm)
{
	unsigned long flags;

	spin_lock_irqsave(&vms_lock, flags);
	list_del(&vm->clock.vms);
	spin_unlock_irqrestore(&vms_lock, flags);
}

void vm_clock_tsc_changed(struct vm *vm)
{
	unsigned long flags;
	bool changed;

	spin_lock_irqsave(&vm->clock.lock, flags);
	changed = clock_settle(vm);
	spin_unlock_irqrestore(&vm->clock.lock, flags);
	if (changed)
		vm_request(vm, VCPU_REQ_CLOCK);
}

void vm_get_clock(struct vm *vm, struct kvm_clock_data *data)
{
	struct vm_clock *clock = &vm->clock;
	struct moment now;
	unsigned long flags;

	spin_lock_irqsave(&clock->lock, flags);
	now = moment_now();
	*data = (struct kvm_clock_data){
		.clock = clock_at(clock, &now),
		.realtime = now.real,
		.flags = KVM_CLOCK_REALTIME,
	};
	if (now.exact) {
		data->host_tsc = now.tsc;
		data->flags |= KVM_CLOCK_HOST_TSC | (clock->stable ? KVM_CLOCK_TSC_STABLE : 0);
	}
	spin_unlock_irqrestore(&clock->lock, flags);
}

int vm_set_clock(struct vm *vm, const struct kvm_clock_data *data)
{
	struct vm_clock *clock = &vm->clock;
	u64 ns = data->clock;
	struct moment now;
	unsigned long flags;

	if (data->flags & ~(u32)(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC))
		return -EINVAL;
	spin_lock_irqsave(&clock->lock, flags);
	now = moment_now();
	/* What passed since the clock was read elsewhere, if that was not in the future. */
	if ((data->flags & KVM_CLOCK_REALTIME) && now.real > data->realtime)
		ns += now.real - data->realtime;
	clock_start(vm, &now, ns);
	clock->stable = clock->exact && tscs_agree(vm);
	spin_unlock_irqrestore(&clock->lock, flags);
	vm_request(vm, VCPU_REQ_CLOCK);
	return 0;
}

/* The vCPU's line: the VM's, or where there is none a sample of this CPU. */
static void fill_page(struct vcpu *vcpu, struct pvclock_vcpu_time_info *page)
{
	struct vm_clock *clock = &vcpu->vm->clock;
	struct clock_rate rate = clock_rate(tsc_guest_khz(vcpu));
	u64 tsc, ns;
	unsigned long flags;

	spin_lock_irqsave(&clock->lock, flags);
	tsc = clock->line.tsc;
	ns = clock->line.ns;
	if (!clock->exact) {
		tsc = rdtsc();
		ns = moment_now().ns + clock->offset;
	}
	page->tsc_timestamp = tsc_guest_at(vcpu, tsc);
	page->system_time = ns;
	page->tsc_to_system_mul = rate.mul;
	page->tsc_shift = rate.shift;
	page->flags = (page->flags & PVCLOCK_GUEST_STOPPED) |
		      (clock->stable ? PVCLOCK_TSC_STABLE_BIT : 0);
	spin_unlock_irqrestore(&clock->lock, flags);
}

/* A page that is not the guest's memory is nobody's loss but the guest's. */
static void write_time(struct vcpu *vcpu)
{
	struct vcpu_clock *clock = &vcpu->vmx->clock;
	struct pvclock_vcpu_time_info page;
	gpa_t gpa = clock->system_time & ~(u64)KVM_MSR_ENABLED;

	/* The guest's own: the version goes on, and only it takes "stopped" back. */
	if (guest_read(vcpu, gpa, &page, sizeof(page)))
		return;
	fill_page(vcpu, &page);
	if (clock->stopped)
		page.flags |= PVCLOCK_GUEST_STOPPED;
	clock->stopped = false;
	guest_write_versioned(vcpu, gpa, &page, sizeof(page), &page.version);
}

/* The time of day when the VM's clock was 0. */
static void write_wall_clock(struct vcpu *vcpu)
{
	struct vm_clock *clock = &vcpu->vm->clock;
	struct pvclock_wall_clock wall;
	gpa_t gpa = READ_ONCE(clock->wall);
	struct moment now;
	unsigned long flags;
	u64 boot;
	u32 nsec;

	if (!gpa || guest_read(vcpu, gpa, &wall, sizeof(wall)))
		return;
	spin_lock_irqsave(&clock->lock, flags);
	now = moment_now();
	boot = now.real - clock_at(clock, &now);
	spin_unlock_irqrestore(&clock->lock, flags);
	wall.sec = div_u64_rem(boot, NS_PER_SEC, &nsec);
	wall.nsec = nsec;
	guest_write_versioned(vcpu, gpa, &wall, sizeof(wall), &wall.version);
}

void clock_update(struct vcpu *vcpu)
{
	struct vcpu_clock *clock = &vcpu->vmx->clock;

	if (clock->wall_due)
		write_wall_clock(vcpu);
	clock->wall_due = false;
	if (clock->system_time & KVM_MSR_ENABLED)
		write_time(vcpu);
}

void clock_cpu_changed(struct vcpu *vcpu)
{
	if (unlikely(!READ_ONCE(vcpu->vm->clock.exact)))
		vcpu_request(vcpu, VCPU_REQ_CLOCK);
}

int vcpu_clock_paused(struct vcpu *vcpu)
{
	struct vcpu_clock *clock = &vcpu->vmx->clock;

	if (!(clock->system_time & KVM_MSR_ENABLED))
		return -EINVAL;
	clock->stopped = true;
	vcpu_request(vcpu, VCPU_REQ_CLOCK);
	return 0;
}

static bool is_wall_clock(u32 index)
{
	return index == MSR_KVM_WALL_CLOCK || index == MSR_KVM_WALL_CLOCK_NEW;
}

int clock_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	*value = is_wall_clock(index) ? READ_ONCE(vcpu->vm->clock.wall) :
					vcpu->vmx->clock.system_time;
	return 0;
}

/* A structure of @len at @gpa: aligned, in one page, and where the guest can have memory. */
static bool place_is_valid(const struct vcpu *vcpu, gpa_t gpa, size_t len)
{
	return !(gpa & 3) && offset_in_page(gpa) + len <= PAGE_SIZE &&
	       !(gpa >> vcpu->cpuid.maxphyaddr);
}

int clock_set_msr(struct vcpu *vcpu, u32 index, u64 value)
{
	struct vcpu_clock *clock = &vcpu->vmx->clock;

	if (is_wall_clock(index)) {
		if (!place_is_valid(vcpu, value, sizeof(struct pvclock_wall_clock)))
			return -EINVAL;
		WRITE_ONCE(vcpu->vm->clock.wall, value);
		clock->wall_due = true;
	} else {
		if ((value & KVM_MSR_ENABLED) &&
		    !place_is_valid(vcpu, value & ~(u64)KVM_MSR_ENABLED,
				    sizeof(struct pvclock_vcpu_time_info)))
			return -EINVAL;
		clock->system_time = value;
	}
	/* Written before the guest goes on: it must not be done where a ring may be full. */
	vcpu_request(vcpu, VCPU_REQ_CLOCK);
	return 0;
}
