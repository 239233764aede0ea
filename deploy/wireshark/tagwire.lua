-- Wireshark's dissector of the tagwire protocol, version 1 (docs/protocol.md). How to use it: README.md here.
--
-- A frame is a tag (1 byte), a length (4 bytes, big-endian) and a payload. It is found in TLS by ALPN `tagwire/1`
-- and on port 4433, or wherever "Decode As" says, in plain TCP too.

local tagwire = Proto("tagwire", "tagwire protocol")

local HEADER = 5
local TAGS = {
    [0x00] = "invalid",
    [0x01] = "CONTROL",
    [0x02] = "DATA",
    [0x03] = "HEARTBEAT",
    [0x04] = "MESSAGE",
    [0x05] = "CALL",
    [0x06] = "ANSWER",
}
local KINDS = { [0] = "ping", [1] = "pong" }
local STATUSES = {
    [0] = "done",
    [1] = "failed",
    [2] = "took too long",
    [3] = "no handler",
    [4] = "busy",
    [5] = "forbidden",
}

-- What a client may send (limits.frame) and what a server may add.
tagwire.prefs.max_frame = Pref.uint("Largest payload", 1048576 + 1024, "Bytes; a longer frame is an error")

-- The built-in names, and "reserved" and "application" for the others.
local ALL_TAGS = {}
for tag = 0, 255 do
    ALL_TAGS[tag] = TAGS[tag] or (tag < 0x10 and "reserved") or "application"
end

local f = {
    tag = ProtoField.uint8("tagwire.tag", "Tag", base.HEX, ALL_TAGS),
    length = ProtoField.uint32("tagwire.length", "Length"),
    payload = ProtoField.bytes("tagwire.payload", "Payload"),
    text = ProtoField.string("tagwire.text", "Text", base.UNICODE),
    control_op = ProtoField.string("tagwire.control.op", "Op"),
    control_json = ProtoField.string("tagwire.control.json", "JSON", base.UNICODE),
    data_body = ProtoField.bytes("tagwire.data.body", "Body"),
    heartbeat_kind = ProtoField.uint8("tagwire.heartbeat.kind", "Kind", base.DEC, KINDS),
    heartbeat_opaque = ProtoField.bytes("tagwire.heartbeat.opaque", "Opaque"),
    message_channel = ProtoField.uint32("tagwire.message.channel", "Channel"),
    message_flags = ProtoField.uint8("tagwire.message.flags", "Flags", base.HEX),
    message_publish_id = ProtoField.uint64("tagwire.message.publish_id", "Publish ID"),
    message_seq = ProtoField.uint64("tagwire.message.seq", "Seq"),
    message_prev = ProtoField.uint64("tagwire.message.prev", "Prev"),
    message_time_ms = ProtoField.uint64("tagwire.message.time_ms", "Time in ms"),
    message_time = ProtoField.absolute_time("tagwire.message.time", "Time", base.UTC),
    message_user_len = ProtoField.uint8("tagwire.message.user_len", "User ID's length"),
    message_user_id = ProtoField.string("tagwire.message.user_id", "User ID", base.UNICODE),
    message_body = ProtoField.bytes("tagwire.message.body", "Body"),
    call_id = ProtoField.uint32("tagwire.call_id", "Call ID"),
    call_tag = ProtoField.uint8("tagwire.call.tag", "For tag", base.HEX, ALL_TAGS),
    answer_status = ProtoField.uint8("tagwire.answer.status", "Status", base.DEC, STATUSES),
}
tagwire.fields = f

-- Named as the errors that a server answers with.
local function fault(name, text, severity)
    return ProtoExpert.new("tagwire." .. name, text, expert.group.MALFORMED, severity)
end
local e = {
    invalid_tag = fault("invalid_tag", "Tag 0x00 is never valid: the connection ends here", expert.severity.ERROR),
    frame_too_large = fault("frame_too_large", "The frame is larger than allowed: the connection ends here", expert.severity.ERROR),
    unknown_tag = fault("unknown_tag", "A reserved tag: the server skips the frame", expert.severity.WARN),
    bad_control = fault("bad_control", "Larger than 16 KiB", expert.severity.WARN),
    bad_heartbeat = fault("bad_heartbeat", "Longer than 65 bytes, or of an unknown kind", expert.severity.WARN),
    bad_message = fault("bad_message", "Too short for its fields, or with flags that a server refuses", expert.severity.WARN),
    bad_answer = fault("bad_answer", "Too short for its fields, or of an unknown status", expert.severity.WARN),
    no_frame = fault("no_frame", "No frame, but text: lines of a person, or HTTP", expert.severity.NOTE),
}
tagwire.experts = e

local json = Dissector.get("json")

-- Adds what is left of a payload, if anything is.
local function add_rest(tree, field, payload, offset)
    if payload:len() > offset then
        tree:add(field, payload(offset))
    end
end

-- Each of these adds a payload's fields and returns what to say of it in the list of packets. `payload` is a
-- buffer of its own, which may be empty.
local decode = {}

decode[0x01] = function(payload, pinfo, tree)
    if payload:len() == 0 then
        return "empty"
    end
    local text = payload():raw()
    -- The server puts it first, and so does nearly everybody.
    local op = text:match('"op"%s*:%s*"([%w_]+)"')
    if op then
        tree:add(f.control_op, payload(), op):set_generated()
    end
    tree:add(f.control_json, payload(), payload():string(ENC_UTF_8))
    if payload:len() > 16384 then
        tree:add_proto_expert_info(e.bad_control)
    end
    json:call(payload, pinfo, tree)
    local code = op == "error" and text:match('"code"%s*:%s*"([%w_]+)"')
    return (op or "without op") .. (code and " " .. code or "")
end

decode[0x02] = function(payload, _, tree)
    add_rest(tree, f.data_body, payload, 0)
    return payload:len() .. " bytes"
end

decode[0x03] = function(payload, _, tree)
    -- An empty one is a ping.
    local kind = 0
    if payload:len() > 0 then
        kind = payload(0, 1):uint()
        tree:add(f.heartbeat_kind, payload(0, 1))
        add_rest(tree, f.heartbeat_opaque, payload, 1)
    else
        tree:add(f.heartbeat_kind, 0):set_generated()
    end
    if payload:len() > 65 or not KINDS[kind] then
        tree:add_proto_expert_info(e.bad_heartbeat)
    end
    return KINDS[kind] or ("kind " .. kind)
end

-- Both directions have the same layout. Only a server fills in when and who, which tells them apart.
decode[0x04] = function(payload, _, tree)
    if payload:len() < 30 or payload:len() < 30 + payload(29, 1):uint() then
        tree:add_proto_expert_info(e.bad_message)
        add_rest(tree, f.payload, payload, 0)
        return "cut short"
    end
    local flags, number, time_ms = payload(4, 1), payload(5, 8), payload(21, 8)
    local user_len = payload(29, 1):uint()
    local from_server = user_len > 0 or time_ms:uint64() ~= UInt64(0)
    tree:add(f.message_channel, payload(0, 4))
    tree:add(f.message_flags, flags)
    tree:add(from_server and f.message_seq or f.message_publish_id, number)
    tree:add(f.message_prev, payload(13, 8))
    tree:add(f.message_time_ms, time_ms)
    if from_server then
        local ms = time_ms:uint64()
        local time = NSTime.new((ms / 1000):tonumber(), (ms % 1000):tonumber() * 1000000)
        tree:add(f.message_time, time_ms, time):set_generated()
    elseif flags:uint() ~= 0 then
        tree:add_proto_expert_info(e.bad_message)
    end
    tree:add(f.message_user_len, payload(29, 1))
    if user_len > 0 then
        tree:add(f.message_user_id, payload(30, user_len), payload(30, user_len):string(ENC_UTF_8))
    end
    add_rest(tree, f.message_body, payload, 30 + user_len)
    local what = from_server and "seq " or "publish_id "
    return "channel " .. payload(0, 4):uint() .. " " .. what .. tostring(number:uint64())
end

decode[0x05] = function(payload, _, tree)
    if payload:len() < 5 then
        tree:add_proto_expert_info(e.bad_message)
        add_rest(tree, f.payload, payload, 0)
        return "cut short"
    end
    tree:add(f.call_id, payload(0, 4))
    tree:add(f.call_tag, payload(4, 1))
    add_rest(tree, f.payload, payload, 5)
    return string.format("%u of 0x%02x", payload(0, 4):uint(), payload(4, 1):uint())
end

decode[0x06] = function(payload, _, tree)
    local status = payload:len() >= 5 and payload(4, 1):uint()
    if not STATUSES[status] then
        tree:add_proto_expert_info(e.bad_answer)
    end
    if not status then
        add_rest(tree, f.payload, payload, 0)
        return "cut short"
    end
    tree:add(f.call_id, payload(0, 4))
    tree:add(f.answer_status, payload(4, 1))
    add_rest(tree, f.payload, payload, 5)
    return string.format("%u %s", payload(0, 4):uint(), STATUSES[status] or ("status " .. status))
end

-- Adds a whole frame; what to say of it in the list of packets.
local function add_frame(buffer, pinfo, tree)
    local tag = buffer(0, 1):uint()
    local name = TAGS[tag] or string.format("0x%02x", tag)
    local item = tree:add(tagwire, buffer(), "tagwire " .. name)
    item:add(f.tag, buffer(0, 1))
    item:add(f.length, buffer(1, 4))
    if tag > 0x06 and tag < 0x10 then
        item:add_proto_expert_info(e.unknown_tag)
    end
    local payload = ByteArray.new():tvb("")
    if buffer:len() > HEADER then
        payload = buffer(HEADER):tvb()
    end
    local words
    if decode[tag] then
        words = decode[tag](payload, pinfo, item)
    else
        add_rest(item, f.payload, payload, 0)
        words = payload:len() .. " bytes"
    end
    item:append_text(": " .. words)
    return name .. " " .. words
end

-- Adds bytes that no frame can begin with. All that follows belongs to them.
local function add_fault(buffer, tree, fault)
    local item = tree:add(tagwire, buffer(), "tagwire: no frame")
    if buffer:len() >= HEADER then
        item:add(f.tag, buffer(0, 1))
        item:add(f.length, buffer(1, 4))
    end
    item:add_proto_expert_info(fault)
    add_rest(item, f.payload, buffer, HEADER)
end

local function add_text(buffer, tree)
    local item = tree:add(tagwire, buffer(), "tagwire: text")
    item:add(f.text, buffer(), buffer():string(ENC_UTF_8))
    item:add_proto_expert_info(e.no_frame)
end

-- Whether this is a line or HTTP: a byte of text is, as the first of a length, more than any frame has.
local function is_text(buffer)
    local function printable(byte)
        return byte == 0x09 or byte == 0x0a or byte == 0x0d or (byte >= 0x20 and byte <= 0x7e)
    end
    if buffer:len() < 2 or not printable(buffer(0, 1):uint()) or not printable(buffer(1, 1):uint()) then
        return false
    end
    return buffer(1, 1):uint() * 0x1000000 > tagwire.prefs.max_frame
end

-- Looks at the bytes where a frame begins: how many it takes, or nil and how many are missing, or nil and nil and
-- what is wrong.
local function measure(buffer)
    if buffer(0, 1):uint() == 0 then
        return nil, nil, e.invalid_tag
    elseif buffer:len() < HEADER then
        return nil, DESEGMENT_ONE_MORE_SEGMENT
    end
    local length = buffer(1, 4):uint()
    if length > tagwire.prefs.max_frame then
        return nil, nil, e.frame_too_large
    elseif buffer:len() < HEADER + length then
        return nil, HEADER + length - buffer:len()
    end
    return HEADER + length
end

function tagwire.dissector(buffer, pinfo, tree)
    local offset, words = 0, {}
    while offset < buffer:len() do
        local rest = buffer(offset):tvb()
        if is_text(rest) then
            add_text(rest, tree)
            words[#words + 1] = "text"
            break
        end
        local taken, missing, wrong = measure(rest)
        if wrong then
            add_fault(rest, tree, wrong)
            words[#words + 1] = "no frame"
            break
        elseif missing then
            pinfo.desegment_offset = offset
            pinfo.desegment_len = missing
            break
        end
        words[#words + 1] = add_frame(buffer(offset, taken):tvb(), pinfo, tree)
        offset = offset + taken
    end
    -- After the JSON dissector, which names itself here.
    pinfo.cols.protocol = "tagwire"
    if #words > 0 then
        -- A packet with several TLS records, or with the end of one frame and another, comes here more than once.
        local first = not pinfo.private.tagwire
        pinfo.private.tagwire = "seen"
        pinfo.cols.info = (first and "" or ", ") .. table.concat(words, ", ")
        pinfo.cols.info:fence()
    end
    return buffer:len()
end

DissectorTable.get("tls.alpn"):add("tagwire/1", tagwire)
DissectorTable.get("tls.port"):add(4433, tagwire)
DissectorTable.get("tcp.port"):add_for_decode_as(tagwire)
