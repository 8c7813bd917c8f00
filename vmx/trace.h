/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, for trace-cmd, perf and /sys/kernel/tracing/events/vellum.  Off,
 * each is one NOP; what an event tells beyond its arguments is read from the
 * VMCS only when it is on.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vellum

#if !defined(VELLUM_VMX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VELLUM_VMX_TRACE_H

#include <linux/tracepoint.h>
#include <uapi/asm/vmx.h>

#include "mmu/fault.h"
#include "vmx/vmx.h"

/* clang-format off */
#define TRACE_FAULT_KINDS                                                       \
	{ FAULT_RETRIED, "retried" }, { FAULT_RESTORED, "write permitted again" }, \
	{ FAULT_MAPPED, "mapped" }, { FAULT_SPLIT, "split and mapped" }, \
	{ FAULT_EMULATED, "to be emulated" }

TRACE_DEFINE_ENUM(FAULT_RETRIED);
TRACE_DEFINE_ENUM(FAULT_RESTORED);
TRACE_DEFINE_ENUM(FAULT_MAPPED);
TRACE_DEFINE_ENUM(FAULT_SPLIT);
TRACE_DEFINE_ENUM(FAULT_EMULATED);

#define TRACE_ACCESSES { 0, "read" }, { 1, "write" }, { 2, "fetch" }

/* Types of the interruption-information fields (SDM 3C table 25-17), without their shift. */
#define TRACE_EVENT_TYPES                                                    \
	{ 0, "interrupt" }, { 2, "NMI" }, { 3, "exception" }, { 4, "INT n" }, \
	{ 5, "INT1" }, { 6, "INT3 or INTO" }, { 7, "other" }

/* The vCPU has left the guest; nothing was done about it yet.  Interrupts off. */
TRACE_EVENT(vellum_exit,
	TP_PROTO(struct vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, reason)
		__field(u64, rip)
		__field(u64, qualification)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->reason = vcpu->vmx->exit_reason;
		__entry->rip = vmread(GUEST_RIP);
		__entry->qualification = vmread(EXIT_QUALIFICATION);
	),
	TP_printk("vcpu %u reason %s%s rip 0x%llx qualification 0x%llx", __entry->vcpu,
		  __print_symbolic(__entry->reason & 0xffff, VMX_EXIT_REASONS),
		  __entry->reason & VMX_EXIT_REASONS_FAILED_VMENTRY ? " (entry failed)" : "",
		  __entry->rip, __entry->qualification)
);

/* An EPT violation or misconfiguration was looked at; result as mmu_fault() returns it. */
TRACE_EVENT(vellum_ept_fault,
	TP_PROTO(struct vcpu *vcpu, const struct fault *fault, int result),
	TP_ARGS(vcpu, fault, result),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u64, gpa)
		__field(u32, access)
		__field(u32, kind)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->gpa = fault->gpa;
		__entry->access = fault->fetch ? 2 : fault->write;
		__entry->kind = fault->kind;
		__entry->result = result;
	),
	TP_printk("vcpu %u gpa 0x%llx %s: %s, result %d", __entry->vcpu, __entry->gpa,
		  __print_symbolic(__entry->access, TRACE_ACCESSES),
		  __print_symbolic(__entry->kind, TRACE_FAULT_KINDS), __entry->result)
);

/* The page-modification log had entries, and they are in the trackers now. */
TRACE_EVENT(vellum_pml_drain,
	TP_PROTO(struct vcpu *vcpu, u32 entries),
	TP_ARGS(vcpu, entries),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, entries)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->entries = entries;
	),
	TP_printk("vcpu %u entries %u", __entry->vcpu, __entry->entries)
);

/* KVM_RUN returns because the dirty ring has no room but its reserve. */
TRACE_EVENT(vellum_ring_full,
	TP_PROTO(struct vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u32, used)
		__field(u32, size)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->used = ring_used(&vcpu->ring);
		__entry->size = vcpu->ring.size;
	),
	TP_printk("vcpu %u used %u of %u", __entry->vcpu, __entry->used, __entry->size)
);

/* KVM_RESET_DIRTY_RINGS gave so many entries of all rings back. */
TRACE_EVENT(vellum_reset,
	TP_PROTO(unsigned int vcpus, long entries),
	TP_ARGS(vcpus, entries),
	TP_STRUCT__entry(
		__field(u32, vcpus)
		__field(u64, entries)
	),
	TP_fast_assign(
		__entry->vcpus = vcpus;
		__entry->entries = entries;
	),
	TP_printk("vcpus %u entries %llu", __entry->vcpus, __entry->entries)
);

/* The next entry delivers an event; error is 0 where it has no error code. */
TRACE_EVENT(vellum_inject,
	TP_PROTO(struct vcpu *vcpu, const struct vmx_event *event),
	TP_ARGS(vcpu, event),
	TP_STRUCT__entry(
		__field(u32, vcpu)
		__field(u8, vector)
		__field(u8, type)
		__field(u32, error)
	),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->vector = event->info & INTR_INFO_VECTOR_MASK;
		__entry->type = (event->info & INTR_INFO_INTR_TYPE_MASK) >> 8;
		__entry->error = event->info & INTR_INFO_DELIVER_CODE_MASK ? event->error : 0;
	),
	TP_printk("vcpu %u vector %u type %s error 0x%x", __entry->vcpu, __entry->vector,
		  __print_symbolic(__entry->type, TRACE_EVENT_TYPES), __entry->error)
);

/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH vmx
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
