/// Writes the row of a place whenever something changes a sum of it: an item ledger entry, or a line of a sales order.
/// It runs in the transaction that makes the change, so its stamp stands or falls with it. The price is a write lock on
/// one row for each place that a posting touches, until the posting ends.
codeunit 50100 "Syncline Stock Marks"
{
    Access = Internal;
    // Its subscribers run for everybody who sells or posts.
    InherentEntitlements = X;
    InherentPermissions = X;
    Permissions = tabledata "Syncline Stock Level" = rim,
                  tabledata "Syncline Change Mark" = ri,
                  tabledata Item = r,
                  tabledata "Item Ledger Entry" = r,
                  tabledata "Sales Line" = r;

    procedure Touch(ItemNo: Code[20]; VariantCode: Code[10]; LocationCode: Code[10])
    var
        Item: Record Item;
        StockLevel: Record "Syncline Stock Level";
    begin
        if ItemNo = '' then
            exit;
        // Locked as it is read: of two postings at one place the second waits, and does not fail for a row that changed.
        StockLevel.ReadIsolation := IsolationLevel::UpdLock;
        StockLevel.SetRange("Item No.", ItemNo);
        StockLevel.SetRange("Variant Code", VariantCode);
        StockLevel.SetRange("Location Code", LocationCode);
        if StockLevel.FindFirst() then begin
            StockLevel.Touches += 1;
            StockLevel.Modify();
            exit;
        end;
        if not Item.Get(ItemNo) then
            exit;
        if Item.Type <> Item.Type::Inventory then
            exit;
        StockLevel.Init();
        StockLevel."Entry No." := 0;
        StockLevel."Item No." := ItemNo;
        StockLevel."Variant Code" := VariantCode;
        StockLevel."Location Code" := LocationCode;
        StockLevel."Item Id" := Item.SystemId;
        StockLevel.Insert();
    end;

    /// A row for every place that has entries or open lines. Run once, at the installation.
    procedure TouchAll()
    var
        ItemLedgerEntry: Record "Item Ledger Entry";
        SalesLine: Record "Sales Line";
        StockLevel: Record "Syncline Stock Level";
    begin
        ItemLedgerEntry.SetLoadFields("Item No.", "Variant Code", "Location Code");
        if ItemLedgerEntry.FindSet() then
            repeat
                if not IsThere(StockLevel, ItemLedgerEntry."Item No.", ItemLedgerEntry."Variant Code", ItemLedgerEntry."Location Code") then
                    Touch(ItemLedgerEntry."Item No.", ItemLedgerEntry."Variant Code", ItemLedgerEntry."Location Code");
            until ItemLedgerEntry.Next() = 0;
        SalesLine.SetRange("Document Type", SalesLine."Document Type"::Order);
        SalesLine.SetRange(Type, SalesLine.Type::Item);
        if SalesLine.FindSet() then
            repeat
                if not IsThere(StockLevel, SalesLine."No.", SalesLine."Variant Code", SalesLine."Location Code") then
                    TouchLine(SalesLine);
            until SalesLine.Next() = 0;
    end;

    /// The one row that the page of marks stands on.
    procedure MakeChangeMark()
    var
        ChangeMark: Record "Syncline Change Mark";
    begin
        if ChangeMark.Get() then
            exit;
        ChangeMark.Init();
        ChangeMark.Insert();
    end;

    local procedure IsThere(var StockLevel: Record "Syncline Stock Level"; ItemNo: Code[20]; VariantCode: Code[10]; LocationCode: Code[10]): Boolean
    begin
        StockLevel.SetRange("Item No.", ItemNo);
        StockLevel.SetRange("Variant Code", VariantCode);
        StockLevel.SetRange("Location Code", LocationCode);
        exit(not StockLevel.IsEmpty());
    end;

    local procedure TouchLine(SalesLine: Record "Sales Line")
    begin
        if SalesLine."Document Type" <> SalesLine."Document Type"::Order then
            exit;
        if SalesLine.Type <> SalesLine.Type::Item then
            exit;
        Touch(SalesLine."No.", SalesLine."Variant Code", SalesLine."Location Code");
    end;

    /// A company that is made after the installation needs it too.
    [EventSubscriber(ObjectType::Codeunit, Codeunit::"Company-Initialize", 'OnCompanyInitialize', '', false, false)]
    local procedure OnCompany()
    begin
        MakeChangeMark();
    end;

    [EventSubscriber(ObjectType::Table, Database::"Item Ledger Entry", 'OnAfterInsertEvent', '', false, false)]
    local procedure OnEntry(var Rec: Record "Item Ledger Entry")
    begin
        if Rec.IsTemporary() then
            exit;
        Touch(Rec."Item No.", Rec."Variant Code", Rec."Location Code");
    end;

    [EventSubscriber(ObjectType::Table, Database::"Sales Line", 'OnAfterInsertEvent', '', false, false)]
    local procedure OnLineInserted(var Rec: Record "Sales Line")
    begin
        if Rec.IsTemporary() then
            exit;
        TouchLine(Rec);
    end;

    /// Before, because the place that a line leaves is only in the database by then: xRec is not reliable in code.
    [EventSubscriber(ObjectType::Table, Database::"Sales Line", 'OnBeforeModifyEvent', '', false, false)]
    local procedure OnLineChanging(var Rec: Record "Sales Line")
    var
        Stored: Record "Sales Line";
    begin
        if Rec.IsTemporary() then
            exit;
        if Stored.Get(Rec."Document Type", Rec."Document No.", Rec."Line No.") then
            if (Stored."No." <> Rec."No.") or (Stored."Variant Code" <> Rec."Variant Code") or (Stored."Location Code" <> Rec."Location Code") then
                TouchLine(Stored);
    end;

    [EventSubscriber(ObjectType::Table, Database::"Sales Line", 'OnAfterModifyEvent', '', false, false)]
    local procedure OnLineChanged(var Rec: Record "Sales Line")
    begin
        if Rec.IsTemporary() then
            exit;
        TouchLine(Rec);
    end;

    [EventSubscriber(ObjectType::Table, Database::"Sales Line", 'OnAfterDeleteEvent', '', false, false)]
    local procedure OnLineDeleted(var Rec: Record "Sales Line")
    begin
        if Rec.IsTemporary() then
            exit;
        TouchLine(Rec);
    end;
}
