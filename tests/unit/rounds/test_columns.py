"""Records in columns: every way in accepts the same records, and stores the same of them."""

import json
import random
import re
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.federations.tables import Federation
from app.rounds import admission, arrow_columns, arrow_stream, gate, screening
from app.rounds.admission import ArrowBody, JsonBody
from app.rounds.blocks import pack, unpack, without
from app.rounds.columns import MAX_COUNTS, Tree, batch_of_trees, trees_of
from app.rounds.errors import MalformedBodyError
from app.rounds.gate import EnvelopeRefused, GateContext
from app.rounds.layout import Kind, Layout, layout_of
from app.rounds.schemas import MAX_RECORD_BYTES, BinSpecIn, ClientRecord, Envelope, Phase
from tests.rounds import BIN_SPEC, body, pseudonym

FEDERATION = Federation(name="f", title="F", cohort_tags={"hub": ["EWR", "JFK"]})
SPEC = BIN_SPEC | {
    "projections": {
        "features": ["hour"],
        "center": [0.0],
        "scale": [1.0],
        "seed": 1,
        "bases": 2,
        "edges": [0.0, 1.0, 2.0],
    }
}
BINS = BinSpecIn.model_validate(SPEC)
LAYOUT = layout_of(BINS, ("hub",))
MODEL = {"name": "m", "version": "1", "canary_version": "2"}
NOISE = {"mechanism": "laplace", "epsilon": 1.0, "sensitivity": 1.0}


def context(*, noisy: bool = False, canary: bool = True, bins: BinSpecIn = BINS) -> GateContext:
    tree = body(model=MODEL, **({"privacy": NOISE} if noisy else {}))
    del tree["clients"]
    phase = Phase.CANARY if canary else Phase.EVALUATE
    return GateContext(FEDERATION, Envelope.model_validate(tree), phase, bins)


contexts = st.builds(context, noisy=st.booleans(), canary=st.booleans())

# What a careless sender may put where a number, a list or a text should be, as JSON text.
NUMBERS = ["0", "1", "5", "5.0", "-0", "-0.0", "0.5", "1e2", "-1", "1E-3", "100", "1e15"]
ODD = ["1e999", "9" * 18, "9" * 25, "1.0000001e15", "null", "true", '"1"', "[]", "{}", "NaN"]
TEXTS = ['"ok"', '"error"', '"EWR"', '"a:b"', '"\u00e9:"', '"o\\u006b"', '"x{\\"y\\":1}"', '""']
numbers = st.sampled_from(NUMBERS * 4 + ODD)
texts = st.sampled_from(TEXTS * 2 + ODD)


def lists(size: int) -> st.SearchStrategy[str]:
    right = st.lists(st.sampled_from(["0", "1", "2.0", "3"]), min_size=size, max_size=size)
    wrong = st.lists(numbers, max_size=size + 1)
    return (right | right | right | wrong).map(lambda items: f"[{', '.join(items)}]")


def matrices(rows: int, size: int) -> st.SearchStrategy[str]:
    some = st.lists(lists(size), min_size=rows, max_size=rows) | st.lists(lists(size), max_size=3)
    return some.map(lambda items: f"[{','.join(items)}]")


@st.composite
def objects(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[str]]) -> str:
    """A JSON object with some of the fields; now and then one twice, or one nobody knows."""
    names = draw(st.lists(st.sampled_from(sorted(fields)), unique=True))
    if names and draw(st.integers(0, 11)) == 0:
        names.append(draw(st.sampled_from(names)))
    told = [(name, draw(fields[name])) for name in names]
    if draw(st.integers(0, 19)) == 0:
        told.append((draw(st.sampled_from(["rows", "a:b", ""])), draw(numbers)))
    colon = draw(st.sampled_from([":", ": ", " :\n\t"]))
    return "{" + ",".join(f'"{name}"{colon}{value}' for name, value in told) + "}"


METRICS = objects(dict.fromkeys(("loss_sum", "loss_sumsq", "correct_count"), numbers))
RECORD = {
    "status": st.sampled_from(['"ok"', '"error"', '"o\\u006b"', '"fine"', "null"]),
    "error_code": texts,
    "cohorts": objects({"hub": texts}),
    "metrics": METRICS,
    "label_counts": lists(2),
    "score_histogram": lists(4),
    "features": objects({"hour": lists(4), "origin": lists(4)}),
    "projections": matrices(2, 2),
    "confusion": matrices(2, 2),
    "canary": objects({"metrics": METRICS, "agreement": matrices(2, 2), "confusion": lists(2)}),
    "update": objects({"norm": numbers, "cosine": numbers}),
    "resources": objects({"train_ms": numbers}),
}


@st.composite
def records(draw: st.DrawFn) -> str:
    name = pseudonym(draw(st.sampled_from("ABCDEFGH")))
    examples = draw(st.sampled_from(["100", "100", "0", "2147483647", *NUMBERS, *ODD]))
    rest = draw(objects(RECORD)).removeprefix("{")
    return f'{{"client":"{name}", "num_examples":{examples}' + ("," if rest != "}" else "") + rest


@settings(max_examples=600)
@given(st.lists(records(), min_size=1, max_size=3), contexts)
def test_the_fast_way_accepts_only_what_the_careful_way_does(
    clients: list[str], given_context: GateContext
) -> None:
    tree = body(model=MODEL)
    raw = json.dumps(tree | {"clients": "@"}).replace('"@"', f"[{','.join(clients)}]").encode()
    push = admission.read(raw, "application/json")
    assert isinstance(push, JsonBody)
    fast = push._good_batch(LAYOUT, given_context)
    if fast is not None:
        careful = push._with_care(LAYOUT, given_context)
        assert careful.refused == []
        assert trees_of(fast) == trees_of(careful.batch)


def test_the_fast_way_is_the_way_of_a_plain_body() -> None:
    push = JsonBody(json.dumps(body()).encode())
    assert push._good_batch(LAYOUT, context()) is not None


INTEGERS = [0, 1, 2, 50, 100, 101, -1, 127, -128, 2**31 - 1, 2**31, 2**62, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, 50.0, 0.5, -1.0, 1e15, -1e15, 1.1e15, 1e300, 1.001, 1.002]
FLOATS += [float("nan"), float("inf"), float("-inf")]
KINDS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32(), pa.uint64()]
KINDS += [pa.float16(), pa.float32(), pa.float64()]


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_floating(kind):
        dtype = kind.to_pandas_dtype()
        with np.errstate(over="ignore"):
            return st.sampled_from([dtype(value) for value in FLOATS])
    info = np.iinfo(kind.to_pandas_dtype())
    return st.sampled_from([value for value in INTEGERS if info.min <= value <= info.max])


@st.composite
def arrays(draw: st.DrawFn, name: str, layout: Layout, count: int) -> pa.Array:
    column = layout[name]
    kind = draw(st.sampled_from(KINDS if column.kind is not Kind.WHOLE else KINDS[:6]))
    values = values_of(kind)
    if column.kind is Kind.COUNTS:
        few = draw(st.lists(values, min_size=1, max_size=2))
        cells = st.lists(st.sampled_from([*few, 0]), min_size=column.size, max_size=column.size)
        outer = draw(st.sampled_from([pa.list_(kind), pa.large_list(kind)]))
        outer = draw(st.sampled_from([outer, pa.list_(kind, column.size)]))
        return pa.array(draw(_columns(cells, count)), outer)
    return pa.array(draw(_columns(values, count)), kind)


def _columns(values: st.SearchStrategy[Any], count: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(values | st.none(), min_size=count, max_size=count)


TEXT_OF = {
    "status": ["ok", "error", "timeout", "fine"],
    "error_code": ["oom", "a b"],
    "cohorts.hub": ["EWR", "JFK", "ORD"],
}


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    """Columns of all types, with values at their bounds and beyond."""
    count = draw(st.integers(1, 4))
    names = st.sampled_from(sorted(set(LAYOUT) - {"client", "num_examples"}))
    clients = [pseudonym(number) for number in range(count)]
    examples = st.sampled_from([100, 0, 1, 2**31 - 1, 2**31, 2**63 - 1, -1])
    made = {
        "client": pa.array(clients),
        "num_examples": pa.array(draw(_columns(examples, count)), pa.int64()),
    }
    for name in draw(st.lists(names, unique=True, max_size=5)):
        if LAYOUT[name].kind is Kind.TEXT:
            told = pa.array(draw(_columns(st.sampled_from(TEXT_OF[name]), count)), pa.string())
            made[name] = draw(st.sampled_from([told, told.dictionary_encode()]))
        else:
            made[name] = draw(arrays(name, LAYOUT, count))
    whole = pa.RecordBatch.from_pydict(made)
    return whole.slice(draw(st.integers(0, count - 1)))


@settings(max_examples=800)
@given(batches(), contexts)
def test_what_the_screen_clears_the_gate_accepts(
    sent: pa.RecordBatch, given_context: GateContext
) -> None:
    columns = arrow_columns.bring_in(sent, LAYOUT)
    assert not columns.unusable
    doubt = screening.doubtful(columns.batch, LAYOUT, given_context)
    for position, tree in enumerate(trees_of(columns.batch)):
        if not doubt[position] and position not in columns.wrong:
            checked = gate.check_record(tree, position, given_context)
            assert isinstance(checked, ClientRecord), (tree, checked)


def stream(batch: pa.RecordBatch, *, pieces: int = 1) -> bytes:
    envelope = body()
    del envelope["clients"]
    schema = batch.schema.with_metadata({"vigie": json.dumps(envelope)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        step = -(-batch.num_rows // pieces)
        for start in range(0, batch.num_rows, step):
            writer.write_batch(batch.slice(start, step).replace_schema_metadata(schema.metadata))
    made: bytes = sink.getvalue().to_pybytes()
    return made


@settings(max_examples=400)
@given(batches(), contexts, st.integers(1, 3))
def test_arrow_and_json_give_the_same_records_and_the_same_refusals(
    sent: pa.RecordBatch, given_context: GateContext, pieces: int
) -> None:
    arrow = ArrowBody(stream(sent, pieces=pieces)).admit(LAYOUT, given_context)
    columns = arrow_columns.bring_in(sent, LAYOUT)
    trees = trees_of(columns.batch)
    expected = [
        tree
        for position, tree in enumerate(trees)
        if position not in columns.wrong
        and isinstance(gate.check_record(tree, position, given_context), ClientRecord)
    ]
    assert trees_of(arrow.batch) == expected
    assert len(arrow.refused) == len(trees) - len(expected)
    if expected:
        push = JsonBody(json.dumps(body(*expected, model=MODEL)).encode())
        for way in (push.admit(LAYOUT, given_context), push._with_care(LAYOUT, given_context)):
            assert way.refused == []
            assert trees_of(way.batch) == expected


@settings(max_examples=300)
@given(batches())
def test_packing_and_trees_lose_nothing(sent: pa.RecordBatch) -> None:
    batch = arrow_columns.bring_in(sent, LAYOUT).batch
    trees = trees_of(batch)
    assert same(trees_of(unpack(pack(batch))), trees)
    assert same(trees_of(batch_of_trees(trees, LAYOUT)), trees)


def same(left: list[Tree], right: list[Tree]) -> bool:
    """Equal, where NaN is NaN and 0.0 is -0.0."""
    zero = re.compile(r"-0\.0\b")
    texts = (json.dumps(trees, sort_keys=True) for trees in (left, right))
    return len({zero.sub("0.0", text) for text in texts}) == 1


def test_a_batch_without_records_has_no_trees() -> None:
    """Such as a chunk whose clients all left."""
    tree: Tree = {
        "client": pseudonym("A"),
        "num_examples": 9,
        "confusion": [[1.0, 2.0], [3.0, 0.0]],
    }
    batch = batch_of_trees([tree], LAYOUT)
    assert trees_of(unpack(pack(batch))) == [tree]
    assert trees_of(unpack(pack(without(batch, {tree["client"]})))) == []


@pytest.mark.parametrize(
    ("count", "kind"),
    [
        (255, pa.uint8()),
        (256, pa.int16()),
        (-1, pa.int16()),
        (2**15, pa.int32()),
        (2**31, pa.float64()),
        (0.5, pa.float64()),
    ],
)
def test_counts_are_packed_as_narrow_as_they_are(count: float, kind: pa.DataType) -> None:
    tree: Tree = {
        "client": pseudonym("A"),
        "num_examples": 9,
        "confusion": [[1.0, float(count)], [3.0, 0.0]],
    }
    packed = unpack(pack(batch_of_trees([tree], LAYOUT)))
    assert packed.column("confusion").type.value_type == kind
    assert trees_of(packed) == [tree]


def test_a_record_over_its_cap_is_never_cleared() -> None:
    """Rows of one column each take the most room in JSON: brackets around every number."""
    spec = SPEC | {
        "projections": SPEC["projections"]
        | {"features": [f"f{n}" for n in range(256)], "bases": 16, "edges": [0.0, 1.0]},
        "features": {"wide": {"kind": "numeric", "edges": list(range(600)), "unit": "h"}},
    }
    bins = BinSpecIn.model_validate(spec | {"projections": spec["projections"] | _unit(256)})
    layout = layout_of(bins, ())
    given_context = context(noisy=True, bins=bins)
    for most in (10**digits for digits in range(1, 15)):
        tree: Tree = {
            "client": pseudonym("A"),
            "num_examples": 100,
            "projections": [[-float(most)]] * 4096,
            "features": {"wide": [float(most)] * 599},
        }
        doubt = screening.doubtful(batch_of_trees([tree], layout), layout, given_context)
        size = len(json.dumps(tree, separators=(",", ":")))
        assert doubt[0] or size <= MAX_RECORD_BYTES


def _unit(dimension: int) -> dict[str, Any]:
    return {"center": [0.0] * dimension, "scale": [1.0] * dimension}


@pytest.mark.parametrize("arrow", [False, True])
def test_wide_counts_among_many_records_take_no_more_room_than_there_is(arrow: bool) -> None:
    """One record's counts would make room for them in each of the others: gigabytes."""
    labels = [f"l{n}" for n in range(120)]
    bins = BinSpecIn.model_validate(SPEC | {"labels": labels})
    layout, records = layout_of(bins, ()), 20_000
    assert layout["confusion"].size * records > MAX_COUNTS
    given_context = context(bins=bins)
    trees: list[Tree] = [
        {"client": pseudonym(number), "num_examples": 1} for number in range(records)
    ]
    if arrow:
        sent = pa.RecordBatch.from_pydict(
            {
                "client": pa.array([tree["client"] for tree in trees]),
                "num_examples": pa.array([1] * records),
                "confusion": pa.array([[0] * 120**2, *[None] * (records - 1)], pa.list_(pa.int8())),
            }
        )
        push: Any = ArrowBody(stream(sent))
    else:
        trees[0]["confusion"] = [[0] * 120] * 120
        push = JsonBody(json.dumps(body(*trees, model=MODEL)).encode())
    with pytest.raises(EnvelopeRefused) as refused:
        push.admit(layout, given_context)
    assert refused.value.errors[0].code == "too_many"


GOOD = stream(
    pa.RecordBatch.from_pydict(
        {
            "client": pa.array([pseudonym(number) for number in range(6)]),
            "num_examples": pa.array([100] * 6),
            "cohorts.hub": pa.array(["EWR", "JFK"] * 3).dictionary_encode(),
            "label_counts": pa.array([[1, 2]] * 6, pa.list_(pa.int32(), 2)),
            "score_histogram": pa.array([[1, 2, 3, 4]] * 6, pa.list_(pa.int16())),
            "metrics.loss_sum": pa.array([1.0, None] * 3),
        }
    ),
    pieces=2,
)


@pytest.mark.parametrize("part", range(4))
def test_a_mangled_stream_is_refused_or_read_and_nothing_else(part: int) -> None:
    chance = random.Random(part)
    for _ in range(1000):
        raw = bytearray(GOOD)
        for _ in range(chance.choice([1, 1, 2, 4])):
            raw[chance.randrange(len(raw))] = chance.choice([0, 1, 127, 128, 255])
        cut = len(raw) if chance.random() < 0.9 else chance.randrange(len(raw))
        with suppress(MalformedBodyError, EnvelopeRefused):
            ArrowBody(bytes(raw[:cut])).admit(LAYOUT, context(canary=False))


def test_a_dictionary_in_parts_is_refused_unseen() -> None:
    """The reader would put the parts together before anybody had looked at them."""
    kind = pa.dictionary(pa.int8(), pa.string())
    schema = pa.schema([("status", kind)], metadata={"vigie": "{}"})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for words in (["ok"], ["ok", "error"]):
            indices = pa.array([0] * len(words), pa.int8())
            column = pa.DictionaryArray.from_arrays(indices, pa.array(words))
            writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))
    with pytest.raises(MalformedBodyError, match="in parts"):
        arrow_stream.read(sink.getvalue().to_pybytes())


def test_a_record_nested_as_deep_as_can_be_read_is_refused_alone() -> None:
    for depth in range(900, 1000, 3):
        nested = "[" * depth + "]" * depth
        raw = json.dumps(body() | {"model": MODEL}).replace('"status"', f'"x": {nested}, "status"')
        try:
            push = JsonBody(raw.encode())
        except MalformedBodyError:
            return
        assert [one.error.code for one in push.admit(LAYOUT, context()).refused] == [
            "extra_forbidden"
        ]
    pytest.fail("nothing was nested too deep")
